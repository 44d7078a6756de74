import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { WidgetSchema } from "@tercet/gen/acme/v1/acme_service";
import type { Widget } from "./widget.ts";

export const toMessage = (widget: Widget): MessageInitShape<typeof WidgetSchema> => ({
  ...widget,
  createTime: timestampFromDate(widget.createTime),
});
