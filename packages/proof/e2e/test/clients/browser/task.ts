import type { Shop, Targets } from "../shop.ts";

/** A task of the page. */
export interface Task {
  readonly targets: Targets;
  readonly token: string | undefined;
  readonly method: keyof Shop;
  readonly parameters: readonly unknown[];
}

export type Outcome =
  | { readonly value: unknown }
  | {
      readonly error: {
        readonly code: string;
        readonly reason: string | undefined;
        readonly message: string;
      };
    };

/** The page's one function. */
export interface PageScope {
  perform(task: Task): Promise<Outcome>;
}
