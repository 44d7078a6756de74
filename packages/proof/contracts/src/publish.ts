import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CommandError, ROOT } from "@tercet/cli";
import type { Env } from "@tercet/service";
import { PACTS, readFolder } from "./folder.ts";

const TIMEOUT_MS = 30_000;

/**
 * Sends each consumer's pacts to the broker, under their commit and branch. Resolves to a sentence
 * about what was done. Throws CommandError when the broker cannot be reached or refuses.
 */
export async function publishPacts(env: Env): Promise<string> {
  const { PACT_BROKER_BASE_URL: broker } = env;
  if (!broker) return "PACT_BROKER_BASE_URL is not set: nothing is published";
  const version = env["GITHUB_SHA"] ?? (await git("rev-parse", "HEAD"));
  const branch = env["GITHUB_REF_NAME"] ?? (await git("rev-parse", "--abbrev-ref", "HEAD"));
  if (branch !== "main")
    return `pacts are published from main only, and this is ${branch}: nothing is published`;
  const contracts = [...(await readFolder(PACTS)).values()].map(toContract);
  const consumers = [...new Set(contracts.map(({ consumerName }) => consumerName))];
  const url = new URL("contracts/publish", broker.endsWith("/") ? broker : `${broker}/`);
  for (const pacticipantName of consumers)
    await post(url, authorization(env), {
      pacticipantName,
      pacticipantVersionNumber: version,
      branch,
      contracts: contracts.filter(({ consumerName }) => consumerName === pacticipantName),
    });
  return `${contracts.length} pacts of ${consumers.join(", ")} are published for ${version}`;
}

/** One pact in the broker's API: https://docs.pact.io/pact_broker/api/publish_contracts */
function toContract(text: string) {
  const { consumer, provider } = JSON.parse(text) as Record<"consumer" | "provider", Named>;
  return {
    consumerName: consumer.name,
    providerName: provider.name,
    specification: "pact",
    contentType: "application/json",
    content: Buffer.from(text).toString("base64"),
  };
}

interface Named {
  readonly name: string;
}

function authorization({
  PACT_BROKER_TOKEN: token,
  PACT_BROKER_USERNAME: user,
  PACT_BROKER_PASSWORD: password = "",
}: Env): Record<string, string> {
  if (token) return { authorization: `Bearer ${token}` };
  return user
    ? { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` }
    : {};
}

async function post(url: URL, headers: Record<string, string>, body: unknown): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause: Error) => {
    const message = `the broker at ${url.origin} cannot be reached: ${cause.cause ?? cause}`;
    throw new CommandError(message, { cause });
  });
  if (response.ok) return;
  const text = (await response.text()).slice(0, 500);
  throw new CommandError(`the broker at ${url.origin} returned ${response.status}: ${text}`);
}

async function git(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("git", args, { cwd: ROOT });
  return stdout.trim();
}
