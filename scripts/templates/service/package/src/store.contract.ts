import type { RequestRecord } from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { beforeAll, expect, test } from "vitest";
import type { AcmeStore } from "./store.ts";
import type { NewWidget } from "./widget.ts";

/** What every store must do. */
export function storeContract(open: () => AcmeStore): void {
  let store: AcmeStore;
  beforeAll(() => {
    store = open();
  });

  const newWidget = (widget: Partial<NewWidget> = {}): NewWidget => ({
    ...{ id: uuidv7(), ownerId: uuidv7(), name: "first" },
    ...widget,
  });
  const requestFor = ({ id, ownerId }: NewWidget): RequestRecord => ({
    caller: ownerId,
    requestId: crypto.randomUUID(),
    method: "CreateWidget",
    fingerprint: "f",
    resourceId: id,
  });

  test("a widget is found by its id, and by its owner only", async () => {
    const widget = newWidget();
    expect(await store.insertWidget(requestFor(widget), widget)).toBe(true);
    expect(await store.findWidget(widget.id)).toMatchObject(widget);
    expect(await store.findWidget(widget.id, widget.ownerId)).toMatchObject(widget);
    expect(await store.findWidget(widget.id, uuidv7())).toBeUndefined();
  });

  test("of many statements with one request, one makes a widget", async () => {
    const widget = newWidget();
    const request = requestFor(widget);
    const made = await Promise.all(
      Array.from({ length: 10 }, () => store.insertWidget(request, newWidget(widget))),
    );
    expect(made.filter(Boolean)).toHaveLength(1);
    expect(await store.findRequest(request.caller, request.requestId)).toEqual(request);
  });

  test("a name that is taken is refused, and its request stays unused", async () => {
    const widget = newWidget();
    await store.insertWidget(requestFor(widget), widget);
    const second = newWidget({ ownerId: widget.ownerId });
    const request = requestFor(second);
    await expect(store.insertWidget(request, second)).rejects.toMatchObject({
      constraint_name: "widgets_name_of_owner",
    });
    expect(await store.findRequest(request.caller, request.requestId)).toBeUndefined();
  });
}
