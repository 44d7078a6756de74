import { join } from "node:path";
import { readSecrets, type Stack } from "@tercet/stack";

/** The variables by which the scripts of perf/ find the system. */
export type Target = Readonly<Record<"EDGE_URL", string>> &
  Readonly<
    Partial<
      Record<"PAYMENT_URL" | "OPERATOR_EMAIL" | "OPERATOR_PASSWORD" | "ORDER_CLIENT_SECRET", string>
    >
  >;

/** A stack of this machine, whose secrets lie in its folder. */
export async function targetOf({
  urls,
  dataDir,
}: Pick<Stack, "urls" | "dataDir">): Promise<Target> {
  const secrets = await readSecrets(join(dataDir, "secrets.json"));
  return {
    EDGE_URL: urls.edge,
    PAYMENT_URL: urls.payment,
    ...(secrets && {
      OPERATOR_PASSWORD: secrets.passwords.olivia,
      ORDER_CLIENT_SECRET: secrets.orderClientSecret,
    }),
  };
}
