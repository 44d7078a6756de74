import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** `well`: accepts lines. `broken`: responds 500. `silent`: never responds. */
export type LokiBehaviour = "well" | "broken" | "silent";

export interface LokiEntry {
  readonly labels: Readonly<Record<string, string>>;
  /** In nanoseconds. */
  readonly time: string;
  readonly line: string;
}

/** A test double of the Loki server, which keeps what is pushed to it. */
export interface TestLoki extends AsyncDisposable {
  readonly url: string;
  /** The accepted lines, in their order. */
  readonly entries: readonly LokiEntry[];
  /** The headers of each push, accepted or not. */
  readonly pushes: readonly IncomingMessage["headers"][];
  behaviour: LokiBehaviour;
}

interface PushBody {
  readonly streams: readonly {
    readonly stream: Record<string, string>;
    readonly values: readonly [string, string][];
  }[];
}

export async function startTestLoki(
  behaviour: LokiBehaviour = "well",
  port = 0,
): Promise<TestLoki> {
  const entries: LokiEntry[] = [];
  const pushes: IncomingMessage["headers"][] = [];
  const server = createServer(async (request, response) => {
    if (request.method !== "POST" || request.url !== "/loki/api/v1/push")
      return response.writeHead(404).end();
    const { streams } = (await json(request)) as PushBody;
    pushes.push(request.headers);
    if (loki.behaviour === "silent") return;
    if (loki.behaviour === "broken") return response.writeHead(500).end("no");
    for (const { stream, values } of streams)
      entries.push(...values.map(([time, line]) => ({ labels: stream, time, line })));
    return response.writeHead(204).end();
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  const loki: TestLoki = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    entries,
    pushes,
    behaviour,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
  return loki;
}
