import { runCommand } from "@tercet/cli";
import { startCommand } from "@tercet/stack";
import { Lab } from "./lab.ts";

/** In the lab a saga that cannot be undone waits for an operator after this time, not a day. */
const SAGA_COMPENSATION_BUDGET_MS = "60000";

await runCommand(
  startCommand({
    env: { SAGA_COMPENSATION_BUDGET_MS },
    extension: () => new Lab(),
  }),
);
