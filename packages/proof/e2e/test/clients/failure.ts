import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@tercet/service";
import { CallFailure } from "./shop.ts";

export interface Failure {
  readonly code: string;
  readonly reason?: string | undefined;
}

/** Resolves to a call's failure in a form to compare; to `{ code: "ok" }` if it succeeded. */
export async function failure(call: Promise<unknown>): Promise<Failure> {
  try {
    await call;
    return { code: "ok" };
  } catch (error) {
    if (error instanceof CallFailure) return { code: error.code, reason: error.reason };
    if (error instanceof ConnectError)
      return { code: snakeCase(Code[error.code]), reason: reasonOf(error) };
    throw error;
  }
}

const snakeCase = (name = ""): string => name.replace(/(?<=.)[A-Z]/g, "_$&").toLowerCase();
