import type { RequestRecord, RequestStore } from "@tercet/service";
import type { NewWidget, Widget } from "./widget.ts";

/**
 * Widgets and the requests that made them. Each method is one statement. A method that takes a
 * request uses it up if it changes something, and resolves to whether it did.
 */
export interface AcmeStore extends RequestStore {
  /** A second widget of one owner with one name violates `widgets_name_of_owner`. */
  insertWidget(request: RequestRecord, widget: NewWidget): Promise<boolean>;
  /** With `ownerId`, only if it belongs to this user. */
  findWidget(id: string, ownerId?: string): Promise<Widget | undefined>;
  /** Deletes at most `limit` requests past their retention; resolves to how many it deleted. */
  sweepRequests(limit: number): Promise<number>;
}
