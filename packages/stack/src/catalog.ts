import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromJsonString } from "@bufbuild/protobuf";
import { ROOT } from "@tercet/cli";
import {
  type PutProductRequest,
  PutProductRequestSchema,
} from "@tercet/gen/order/v1/catalog_service";

/** Costs more than the simulated provider approves: 1,000.00. */
export const BEYOND_THE_LIMIT = "ESPRESSO-MACHINE";
/** At most 3 in stock. */
export const SCARCE = "LTD-PRINT";
/** None in stock. */
export const SOLD_OUT = "VINYL-FIRST-PRESS";

/**
 * Returns the products that a new system begins with, as requests. The file is the one that
 * `infra/scripts/seed.sh` sends: Compose and Kubernetes begin with the same. Each line has its own
 * request id, so a second call replays the first and keeps what an operator has changed since.
 */
export function readSeed(): PutProductRequest[] {
  const lines = readFileSync(join(ROOT, "infra/catalog.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => fromJsonString(PutProductRequestSchema, line));
}
