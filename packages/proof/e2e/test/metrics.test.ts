import { setTimeout as delay } from "node:timers/promises";
import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import { type Api, createApi, logIn, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Alertmanager, startAlertmanager } from "./alertmanager.ts";
import { becomes, isLate, outcome, persistently } from "./calls.ts";
import { type Collector, startCollector } from "./collector.ts";
import { alertQueries, listedMetrics, type NamedQuery, panelQueries } from "./infra-queries.ts";
import { type Jaeger, startJaeger } from "./jaeger.ts";
import { patient } from "./patience.ts";
import { type Prometheus, startPrometheus } from "./prometheus.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";
import { onPath } from "./tool.ts";

const [otelcol, prometheusPath, jaegerPath, alertmanagerPath] = await Promise.all(
  ["otelcol", "prometheus", "jaeger", "prometheus-alertmanager"].map(onPath),
);
const missing = [
  otelcol === undefined && "the OpenTelemetry collector (pnpm tools)",
  prometheusPath === undefined && "prometheus",
].filter(Boolean);
if (missing.length > 0)
  process.stderr.write(
    `WITHOUT ${missing.join(" and ")}: dashboards and alerts are not tried on real metrics\n`,
  );
if (jaegerPath === undefined)
  process.stderr.write("WITHOUT JAEGER: no trace is looked up there (pnpm tools jaeger)\n");
if (alertmanagerPath === undefined)
  process.stderr.write("WITHOUT prometheus-alertmanager: no alert is sent to a receiver\n");

const LEASE_MS = 1_000;
const EVERY_SECOND = {
  OTEL_METRIC_EXPORT_INTERVAL: "1000",
  OTEL_METRIC_EXPORT_TIMEOUT: "900",
  OTEL_BSP_SCHEDULE_DELAY: "500",
};
const SHOWN = { timeout: 30_000, interval: 500 };

describe.skipIf(missing.length > 0)(
  "behind a whole stack with the collector and Prometheus",
  () => {
    let running: AsyncDisposableStack;
    let stack: Stack;
    let prometheus: Prometheus;
    let jaeger: Jaeger | undefined;
    let alertmanager: Alertmanager | undefined;

    beforeAll(async () => {
      await using starting = new AsyncDisposableStack();
      const folder = starting.use(await testFolder());
      jaeger =
        jaegerPath === undefined ? undefined : starting.use(await startJaeger(jaegerPath, folder));
      const collector = starting.use(await startCollector(otelcol ?? "", jaeger));
      alertmanager =
        alertmanagerPath === undefined
          ? undefined
          : starting.use(await startAlertmanager(alertmanagerPath, folder));
      prometheus = starting.use(
        await startPrometheus(prometheusPath ?? "", folder, collector, alertmanager?.target),
      );
      stack = starting.use(await startObserved(folder, collector));
      // Twice, with a scrape in between: a rate needs growth.
      await liveThroughEverything(stack);
      await shown(prometheus, 'max(tercet_saga_parked{saga_kind="place-order"}) > 0');
      await shown(prometheus, "sum(tercet_saga_takeovers_total) > 0");
      await liveThroughEverything(stack);
      running = starting.move();
    });
    afterAll(() => running?.disposeAsync());

    test.each(byFile(panelQueries))(
      "%s: every query of every panel has data",
      async (_file, queries) => {
        const samples = await Promise.all(
          queries.map(async (query) => ({
            ...query,
            samples: await eventually(prometheus, query.expr),
          })),
        );
        if (process.env["SHOW_PANELS"] !== undefined) process.stdout.write(table(samples));
        expect(
          samples
            .filter((one) => one.samples.length === 0)
            .map(({ title, expr }) => `${title}: ${expr}`),
        ).toEqual([]);
      },
    );

    test("every alert asks for something that is there", async () => {
      const samples = await Promise.all(
        alertQueries.map(async ({ title, expr }) => ({
          title,
          samples: await eventually(prometheus, expr),
        })),
      );
      expect(samples.filter((one) => one.samples.length === 0).map(({ title }) => title)).toEqual(
        [],
      );
    });

    test("the alert of a parked saga fires", async () => {
      await vi.waitFor(async () => {
        expect(await prometheus.firing()).toContainEqual({
          alertname: "SagaParked",
          severity: "page",
          saga_kind: "place-order",
        });
      }, SHOWN);
    });

    test.skipIf(alertmanagerPath === undefined)(
      "the alert of a parked saga reaches its receiver, with a link to its instructions",
      async () => {
        const link = "https://github.com/tercet/tercet/blob/main/docs/metrics.md#sagaparked";
        await vi.waitFor(
          () =>
            expect(alertmanager?.notifications).toContainEqual(
              expect.objectContaining({
                receiver: "on-call",
                labels: { alertname: "SagaParked", severity: "page", saga_kind: "place-order" },
                annotations: expect.objectContaining({ runbook_url: link }),
              }),
            ),
          SHOWN,
        );
      },
    );

    test("everything that is emitted is listed", async () => {
      const emitted = await prometheus.get<string[]>("label/__name__/values", {
        "match[]": '{job!~"collector|",__name__!~"scrape_.*|ALERTS.*"}',
      });
      expect(emitted).toContain("tercet_saga_started_total");
      const listed = listedMetrics();
      expect(emitted.filter((name) => !listed.has(name))).toEqual([]);
    });

    test.skipIf(jaegerPath === undefined)(
      "an order is one trace in Jaeger, found by its id, that goes through Order and Payment",
      async () => {
        const alice = await logIn(stack.urls.edge, stack.users.alice);
        const { orders } = await alice.orders.listOrders({
          status: OrderStatus.CONFIRMED,
          pageSize: 1,
        });
        await vi.waitFor(async () => {
          const traces = await jaeger?.search("order", { "order.id": orders[0]?.id ?? "" });
          expect(traces?.map(({ services }) => services)).toContainEqual(
            expect.arrayContaining(["order", "payment"]),
          );
        }, SHOWN);
      },
    );

    test("slow buckets lead to traces", async () => {
      await vi.waitFor(async () => {
        const found = await prometheus.get<{ exemplars: { labels: Record<string, string> }[] }[]>(
          "query_exemplars",
          {
            query: "traces_span_metrics_duration_seconds_bucket",
            start: String(Date.now() / 1_000 - 300),
            end: String(Date.now() / 1_000),
          },
        );
        const [exemplar] = found.flatMap(({ exemplars }) => exemplars);
        expect(exemplar?.labels["trace_id"]).toMatch(/^[0-9a-f]{32}$/);
      }, SHOWN);
    });
  },
);

function startObserved(folder: TestFolder, { otlpUrl }: Collector): Promise<Stack> {
  const settings = { SAGA_LEASE_MS: String(LEASE_MS), SAGA_COMPENSATION_BUDGET_MS: "1000" };
  return startTestStack(folder, {
    ...settings,
    ...EVERY_SECOND,
    OTEL_EXPORTER_OTLP_ENDPOINT: otlpUrl,
  });
}

/**
 * Places orders that end in each way, and one that is parked; makes calls that are refused; lets a
 * worker lose its saga.
 */
async function liveThroughEverything(stack: Stack): Promise<void> {
  const olivia = await logIn(stack.urls.edge, stack.users.olivia);
  const { accessToken } = await createApi(stack.urls.edge).identity.login(stack.users.alice);
  const alice = createApi(stack.urls.edge, accessToken);
  const plenty = await putTeapots(olivia, 100n);
  const none = await putTeapots(olivia, 0n);
  const tokens = [
    "tok_visa",
    "tok_declined",
    "tok_insufficient_funds",
    "tok_flaky",
    "tok_slow",
    "tok_timeout_then_success",
  ];
  const placed = Promise.all(
    [...tokens.map((token) => aTeapot(plenty, token)), aTeapot(none)].map((request) =>
      alice.orders.createOrder(request),
    ),
  );
  const unpaid = aTeapot(none, "tok_refund_fails");
  const parked = await persistently(
    () => alice.orders.createOrder(unpaid, { timeoutMs: patient(1_000) }),
    isLate,
  );
  await freezeOne(stack, accessToken, await putTeapots(olivia, 1n));
  const endings = (await placed).map(({ status }) => OrderStatus[status]);
  expect(endings).toEqual([
    "CONFIRMED",
    "REJECTED",
    "REJECTED",
    "CONFIRMED",
    "CONFIRMED",
    "CONFIRMED",
    "CANCELLED",
  ]);
  await alice.orders.cancelOrder({
    orderId: (await placed)[0]?.id ?? "",
    requestId: crypto.randomUUID(),
  });
  await refusals(stack, alice);
  await becomes(alice, parked, OrderStatus.NEEDS_ATTENTION);
}

async function refusals(stack: Stack, alice: Api): Promise<void> {
  const refused = [
    createApi(stack.urls.edge).orders.listOrders({}),
    alice.orders.getOrder({ orderId: "no id" }),
    alice.orders.getOrder({ orderId: crypto.randomUUID() }),
    alice.catalog.putProduct({}),
  ];
  expect(await Promise.all(refused.map(outcome))).toEqual([
    "Unauthenticated",
    "InvalidArgument",
    "NotFound",
    "PermissionDenied",
  ]);
}

/**
 * Freezes a replica, which holds the only order of a product, for longer than its lease: another
 * one takes the saga over.
 */
async function freezeOne(stack: Stack, accessToken: string, sku: string): Promise<void> {
  await using replica = await stack.startReplica("order");
  const slow = createApi(replica.url, accessToken).orders.createOrder(aTeapot(sku, "tok_slow"), {
    timeoutMs: 15_000,
  });
  const answered = outcome(slow);
  const alice = createApi(stack.urls.edge, accessToken);
  const order = await vi.waitFor(async () => {
    const { orders } = await alice.orders.listOrders({
      status: OrderStatus.PENDING,
      pageSize: 100,
    });
    return (
      orders.find(({ items }) => items[0]?.sku === sku) ??
      expect.unreachable("it is not placed yet")
    );
  });
  replica.kill("SIGSTOP");
  await becomes(alice, order, OrderStatus.CONFIRMED);
  replica.kill("SIGCONT");
  expect(await answered).toBe("ok");
}

const byFile = (queries: readonly NamedQuery[]): [string, NamedQuery[]][] =>
  Object.entries(Object.groupBy(queries, ({ file }) => file)).map(([file, ones = []]) => [
    file,
    ones,
  ]);

const shown = (prometheus: Prometheus, expr: string) =>
  vi.waitFor(async () => expect(await prometheus.query(expr), expr).not.toEqual([]), SHOWN);

/** Queries until there is a result; returns an empty one if there is none in time. */
async function eventually(prometheus: Prometheus, expr: string) {
  const deadline = performance.now() + patient(SHOWN.timeout);
  for (;;) {
    const samples = await prometheus.query(expr);
    if (samples.length > 0 || performance.now() > deadline) return samples;
    await delay(SHOWN.interval);
  }
}

type Shown = NamedQuery & { readonly samples: Awaited<ReturnType<Prometheus["query"]>> };

/** Prints a dashboard as a table: a line for each series of each panel. */
function table(panels: readonly Shown[]): string {
  const lines = panels.flatMap(({ file, title, legend, samples }) =>
    samples.map(({ metric, value }) => {
      const name = legend.replace(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? "");
      return `| ${file.replace(".json", "")} | ${title} | ${name} | ${Number(value.toPrecision(4))} |`;
    }),
  );
  return `${lines.join("\n")}\n`;
}
