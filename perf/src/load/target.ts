import { join } from "node:path";
import type { Env } from "@tercet/service";
import { readSecrets, type Stack } from "@tercet/stack";

/** The variables by which the scripts of perf/ find the system; PAYMENT_URL and secrets too. */
export type Target = Env & { readonly EDGE_URL: string };

type Running = Pick<Stack, "urls" | "dataDir">;

/** Returns the variables of a stack on this machine, whose secrets are in its folder. */
export async function targetOf({ urls, dataDir }: Running): Promise<Target> {
  const secrets = await readSecrets(join(dataDir, "secrets.json"));
  return {
    EDGE_URL: urls.edge,
    IDENTITY_URL: urls.identity,
    PAYMENT_URL: urls.payment,
    ...(secrets && {
      OPERATOR_PASSWORD: secrets.passwords.olivia,
      ORDER_CLIENT_SECRET: secrets.orderClientSecret,
    }),
  };
}
