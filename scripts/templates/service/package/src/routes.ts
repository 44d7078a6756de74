import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import {
  AcmeService,
  type CreateWidgetRequest,
  CreateWidgetRequestSchema,
} from "@tercet/gen/acme/v1/acme_service";
import {
  markReplayed,
  notFound,
  once,
  principal,
  toRequest,
  violates,
  visibleOwner,
} from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import type { AcmeDeps } from "./acme-deps.ts";
import { AcmeError } from "./errors.ts";
import { widgetCreated } from "./events.ts";
import { toMessage } from "./message.ts";
import type { Widget } from "./widget.ts";

/** The handlers of acme.v1.AcmeService. */
export function acmeRoutes(deps: AcmeDeps) {
  return (router: ConnectRouter): void => {
    router.service(AcmeService, {
      createWidget: async (message, context) =>
        toMessage(await findWidget(deps, await createWidget(deps, message, context))),

      getWidget: async ({ widgetId }, context) =>
        toMessage(await findWidget(deps, widgetId, visibleOwner(context))),
    });
  };
}

/** Creates the widget, once; resolves to its id. */
async function createWidget(
  { store, log }: AcmeDeps,
  message: CreateWidgetRequest,
  context: HandlerContext,
): Promise<string> {
  const widget = { id: uuidv7(), ownerId: principal(context).subject, name: message.name };
  const request = toRequest(context, CreateWidgetRequestSchema, message, widget.id);
  const result = await once(store, request, () => store.insertWidget(request, widget)).catch(
    nameTaken(message.name),
  );
  if (result.kind === "replayed") markReplayed(context);
  if (result.kind === "done") widgetCreated(log, widget.id);
  return result.kind === "unchanged" ? widget.id : result.resourceId;
}

const nameTaken = (name: string) => (error: unknown) => {
  if (violates(error, "widgets_name_of_owner"))
    throw new AcmeError("WIDGET_NAME_TAKEN", "a widget of this name exists", { name });
  throw error;
};

async function findWidget({ store }: AcmeDeps, id: string, ownerId?: string): Promise<Widget> {
  const widget = await store.findWidget(id, ownerId);
  if (widget === undefined) throw notFound("widget");
  return widget;
}
