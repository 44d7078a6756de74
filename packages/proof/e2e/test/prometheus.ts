import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort, ROOT } from "@tercet/cli";
import { parse, stringify } from "yaml";
import type { Collector } from "./collector.ts";
import type { TestFolder } from "./stack.ts";
import { startTool } from "./tool.ts";

/** Labels and value of one series. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Prometheus extends AsyncDisposable {
  query(expr: string): Promise<Sample[]>;
  /** The labels of each alert that is firing. */
  firing(): Promise<Readonly<Record<string, string>>[]>;
  /** Returns the data of a path of its API. */
  get<T>(path: string, parameters?: Readonly<Record<string, string>>): Promise<T>;
}

/**
 * Starts Prometheus with the configuration of infra/, but scrapes every second, and alerts fire at
 * once. They are sent to `alertmanager` (host and port), if there is one.
 */
export async function startPrometheus(
  path: string,
  folder: TestFolder,
  collector: Collector,
  alertmanager?: string,
): Promise<Prometheus> {
  const home = join(folder.path, "prometheus");
  await cp(join(ROOT, "infra/prometheus"), home, { recursive: true });
  await rewrite(join(home, "prometheus.yml"), (text) => {
    const { alerting, ...config } = parse(text) as { alerting: object };
    const hurried = stringify({
      ...config,
      ...(alertmanager !== undefined && { alerting }),
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
    });
    return hurried
      .replace("alertmanager:9093", alertmanager ?? "")
      .replace(/collector:(8889|8888)/g, (_, port: "8889" | "8888") => collector.targets[port]);
  });
  await rewrite(join(home, "rules/alerts.yml"), (text) =>
    text.replace(/^(\s+for:) .*$/gm, "$1 1s"),
  );
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = [
    `--config.file=${home}/prometheus.yml`,
    `--storage.tsdb.path=${home}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const tool = await startTool({
    path,
    args: [...args, "--enable-feature=exemplar-storage"],
    readyUrl: `${url}/-/ready`,
  });
  const get = async <T>(at: string, parameters: Readonly<Record<string, string>> = {}) => {
    const answer = await fetch(`${url}/api/v1/${at}?${new URLSearchParams(parameters)}`);
    const { data, error } = (await answer.json()) as { data: T; error?: string };
    if (error !== undefined) throw new Error(`${error}: ${JSON.stringify(parameters)}`);
    return data;
  };
  return {
    get,
    query: async (expr) => {
      const { result } = await get<{
        result: { metric: Sample["metric"]; value: [number, string] }[];
      }>("query", { query: expr });
      // NaN: a quantile or a share of nothing.
      return result
        .map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }))
        .filter(({ value }) => !Number.isNaN(value));
    },
    firing: async () => {
      const { alerts } = await get<{ alerts: { state: string; labels: Record<string, string> }[] }>(
        "alerts",
      );
      return alerts.filter(({ state }) => state === "firing").map(({ labels }) => labels);
    },
    [Symbol.asyncDispose]: () => tool[Symbol.asyncDispose](),
  };
}

const rewrite = async (path: string, change: (text: string) => string) =>
  writeFile(path, change(await readFile(path, "utf8")));
