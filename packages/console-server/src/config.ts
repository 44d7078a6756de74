import { z } from "zod";
import type { ConsoleSettings } from "./console-site.ts";

export interface ConsoleConfig {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly settings: ConsoleSettings;
}

/** An address of another tool; empty for none. */
const toolUrl = z
  .string()
  .regex(/^(https?:\/\/\S*\{orderId\}\S*)?$/, "is not a URL with {orderId} in it")
  .transform((url) => url || undefined)
  .optional();

const variables = z.object({
  HOST: z.string().min(1).default("0.0.0.0"),
  PORT: z
    .string()
    .regex(/^\d{1,5}$/, "is not a port")
    .transform(Number)
    .refine((port) => port <= 65_535, "is not a port")
    .default(8080),
  CONSOLE_TRACE_URL: toolUrl,
  CONSOLE_LOGS_URL: toolUrl,
});

/** Returns the configuration of the image's server. Throws an Error that names every problem. */
export function envToConfig(env: Readonly<Record<string, string | undefined>>): ConsoleConfig {
  const { success, data, error } = variables.safeParse(env);
  if (!success)
    throw new Error(
      error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("\n"),
    );
  return {
    host: data.HOST,
    port: data.PORT,
    // Gateways route no methods of operators.
    settings: {
      operators: false,
      traceUrl: data.CONSOLE_TRACE_URL,
      logsUrl: data.CONSOLE_LOGS_URL,
    },
  };
}
