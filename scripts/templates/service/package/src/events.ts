import type { Logger } from "@tercet/service";

/** One function per event: a log line with the details. */

export function widgetCreated(log: Logger, widgetId: string): void {
  log.info({ event: "widget_created", widget_id: widgetId }, "widget created");
}
