import {
  type ApplyMoves,
  advance,
  beginSaga,
  initial,
  local,
  moveRows,
  type NewSaga,
  remote,
  type SagaDefinition,
  type StepCall,
  toResults,
  type UndoCall,
} from "@tercet/saga";
import type { Sql } from "@tercet/service";
import { z } from "zod";
import type { AcmeStatus } from "./acme-schema.ts";

const acmeInput = z.object({ note: z.string() });

/** The input as it is stored: JSON. */
export type AcmeInput = z.input<typeof acmeInput>;

/** The other system. Both calls are idempotent by their `key`. */
export interface AcmeParticipant {
  /** Throws RetryableError, TerminalError, RefusedError or UnknownOutcomeError. */
  book(call: StepCall<AcmeInput>): Promise<void>;
  /** Also if nothing was booked: a booking that arrives later must be refused. */
  cancel(call: UndoCall<AcmeInput>): Promise<void>;
}

export interface AcmeSagaDeps {
  readonly sql: Sql;
  readonly participant: AcmeParticipant;
  readonly times: Pick<SagaDefinition, "deadlineMs" | "compensationBudgetMs">;
}

/** Book, then finish. What cannot be finished is cancelled. */
export function acmeSaga({ sql, participant, times }: AcmeSagaDeps): SagaDefinition<AcmeInput> {
  return {
    kind: "acme",
    version: 1,
    steps: [
      initial({ name: "create", undo: setStatus(sql, "CANCELLED") }),
      remote<AcmeInput>({
        name: "book",
        run: (call) => participant.book(call),
        undo: (call) => participant.cancel(call),
      }),
      local({ name: "finish", run: setStatus(sql, "DONE") }),
    ],
    recovery: "backward",
    ...times,
    deadlineFailure: { reason: "TOO_LATE", message: "it could not be settled in time" },
    syncSubject: setStatus(sql),
    parse: (input) => acmeInput.parse(input),
  };
}

/** One statement: the row and its saga begin together. Then `engine.drive(saga)`. */
export async function insertAcme(sql: Sql, id: string, saga: NewSaga): Promise<void> {
  await sql`
    with made as (insert into acme_rows (id) values (${id}) returning id),
    begun as (${beginSaga(sql, saga, sql`made`)})
    select id from made`;
}

/** One statement: moves the sagas, and gives their rows the status if there is one. */
const setStatus =
  (sql: Sql, status?: AcmeStatus): ApplyMoves =>
  async (moves) => {
    const rows = await sql<{ sagaId: string }[]>`
      with moves as (${moveRows(sql, moves)}), moved as (${advance(sql)}),
      changed as (
        update acme_rows r set status = coalesce(${status ?? null}, r.status), update_time = now()
        from moved where r.id = moved.subject
      )
      select saga_id from moved`;
    return toResults(moves, rows);
  };
