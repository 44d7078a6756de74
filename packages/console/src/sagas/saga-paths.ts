/**
 * The steps of each saga, as Order's definitions have them (a test compares): what can be drawn of
 * an order before it has happened.
 */
export interface SagaPath {
  readonly kind: string;
  readonly steps: readonly { readonly name: string; readonly hasUndo: boolean }[];
}

const step = (name: string, hasUndo = false) => ({ name, hasUndo });

export const sagaPaths: readonly SagaPath[] = [
  { kind: "place-order", steps: [step("create", true), step("charge", true), step("allocate")] },
  { kind: "cancel-order", steps: [step("request"), step("refund"), step("restock")] },
];

export const pathOf = (kind: string): SagaPath | undefined =>
  sagaPaths.find((path) => path.kind === kind);

/** What undoing a step does, in one word. */
const UNDO_NAMES: Readonly<Record<string, string>> = { create: "close order", charge: "refund" };

export const undoName = (step: string): string => UNDO_NAMES[step] ?? `undo ${step}`;
