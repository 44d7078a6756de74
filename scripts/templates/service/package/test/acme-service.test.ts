import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAcmeService } from "./harness.ts";

let service: Awaited<ReturnType<typeof startAcmeService>>;
beforeAll(async () => {
  service = await startAcmeService();
});
afterAll(() => service?.[Symbol.asyncDispose]());

const newWidget = (name = "first") => ({ name, requestId: crypto.randomUUID() as string });

async function refusal(call: Promise<unknown>) {
  const error = await call.then(() => undefined, ConnectError.from);
  return error && { code: Code[error.code], reason: reasonOf(error) };
}

test("a customer creates a widget and reads it", async () => {
  const alice = await service.as(uuidv7());
  const widget = await alice.createWidget(newWidget());
  expect(widget.name).toBe("first");
  expect(await alice.getWidget({ widgetId: widget.id })).toEqual(widget);
});

test("a repeated request has no second effect, and its id is good for no other", async () => {
  const alice = await service.as(uuidv7());
  const request = newWidget();
  const { id } = await alice.createWidget(request);
  let replayed: string | null = null;
  const again = await alice.createWidget(request, {
    onHeader: (headers) => {
      replayed = headers.get("idempotent-replayed");
    },
  });
  expect([again.id, replayed]).toEqual([id, "true"]);
  expect(await refusal(alice.createWidget({ ...request, name: "other" }))).toEqual({
    code: "InvalidArgument",
    reason: "REQUEST_ID_REUSED",
  });
});

test("a name that is taken is refused", async () => {
  const alice = await service.as(uuidv7());
  await alice.createWidget(newWidget());
  expect(await refusal(alice.createWidget(newWidget()))).toEqual({
    code: "AlreadyExists",
    reason: "WIDGET_NAME_TAKEN",
  });
});

test("a widget of another customer is not found; an operator sees every one", async () => {
  const alice = await service.as(uuidv7());
  const { id } = await alice.createWidget(newWidget());
  const bob = await service.as(uuidv7());
  expect(await refusal(bob.getWidget({ widgetId: id }))).toMatchObject({ code: "NotFound" });
  const olivia = await service.as(uuidv7(), "operator");
  expect((await olivia.getWidget({ widgetId: id })).id).toBe(id);
});

test("what the contract forbids is refused", async () => {
  const alice = await service.as(uuidv7());
  expect(await refusal(alice.createWidget(newWidget("")))).toMatchObject({
    code: "InvalidArgument",
  });
});
