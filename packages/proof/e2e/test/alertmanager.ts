import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { freePort, ROOT } from "@tercet/cli";
import type { TestFolder } from "./stack.ts";
import { startTool } from "./tool.ts";

/** An alert as a webhook gets it. */
export interface Notification {
  /** The name of the receiver in infra/alertmanager/example.yml. */
  readonly receiver: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Alertmanager extends AsyncDisposable {
  /** Host and port, for Prometheus. */
  readonly target: string;
  /** What its receivers have been sent. */
  readonly notifications: readonly Notification[];
}

/**
 * Starts Alertmanager with infra/alertmanager/example.yml, whose receivers are here, and which
 * notifies within a second.
 */
export async function startAlertmanager(path: string, folder: TestFolder): Promise<Alertmanager> {
  const notifications: Notification[] = [];
  const receivers = createServer(async (request, response) => {
    const { receiver, alerts } = (await json(request)) as {
      receiver: string;
      alerts: Omit<Notification, "receiver">[];
    };
    notifications.push(...alerts.map((alert) => ({ ...alert, receiver })));
    response.end();
  });
  await once(receivers.listen(0, "127.0.0.1"), "listening");
  const { port: here } = receivers.address() as AddressInfo;
  const example = await readFile(join(ROOT, "infra/alertmanager/example.yml"), "utf8");
  const config = join(folder.path, "alertmanager.yml");
  await writeFile(
    config,
    example
      .replaceAll(/http:\/\/[a-z]+\.example\//g, `http://127.0.0.1:${here}/`)
      .replaceAll(/group_wait: .*/g, "group_wait: 1s"),
  );
  const target = `127.0.0.1:${await freePort()}`;
  const tool = await startTool({
    path,
    args: [
      `--config.file=${config}`,
      `--storage.path=${join(folder.path, "alertmanager")}`,
      "--cluster.listen-address=",
      `--web.listen-address=${target}`,
    ],
    readyUrl: `http://${target}/-/ready`,
  });
  return {
    target,
    notifications,
    [Symbol.asyncDispose]: async () => {
      await tool[Symbol.asyncDispose]();
      receivers.closeAllConnections();
      await new Promise((closed) => receivers.close(closed));
    },
  };
}
