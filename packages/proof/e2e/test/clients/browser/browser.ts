import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import { chromium, type Page } from "playwright-core";
import { CallFailure, type Order, type Shop, type ShopClient, type Targets } from "../shop.ts";
import type { Outcome, PageScope, Task } from "./task.ts";

/** A site with the page, and so an origin of its own. */
export interface Site extends AsyncDisposable {
  readonly origin: string;
}

/** Serves the page. `host` is a name that the browser has for this machine, as `*.localhost` is. */
export async function servePage(script: string, host = "127.0.0.1"): Promise<Site> {
  const server = createServer(({ url }, response) => {
    const [type, body] =
      url === "/page.js"
        ? ["text/javascript", script]
        : ["text/html", '<!doctype html><script src="page.js"></script>'];
    response.setHeader("content-type", `${type}; charset=utf-8`).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://${host}:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Bundles the page's script for a browser. */
export async function bundlePage(): Promise<string> {
  const entryPoints = [join(import.meta.dirname, "page.ts")];
  const { outputFiles } = await build({
    entryPoints,
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    target: "es2022",
  });
  return outputFiles[0]?.text ?? "";
}

export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** URLs of the browser's preflight requests. */
  readonly preflights: readonly string[];
  /** The lines of its console. */
  readonly console: readonly string[];
}

/** Starts a browser with a fresh profile, and opens the site. */
export async function openPage(
  executablePath: string,
  { origin }: Pick<Site, "origin">,
): Promise<OpenPage> {
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
  ];
  const browser = await chromium.launch({
    executablePath,
    args: [...args, "--disable-component-update", "--disable-sync"],
    timeout: 60_000,
  });
  const page = await browser.newPage();
  const [preflights, said]: [string[], string[]] = [[], []];
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Network.enable");
  devtools.on(
    "Network.responseReceived",
    ({ type, response }) => void (type === "Preflight" && preflights.push(response.url)),
  );
  page.on("console", (message) => void said.push(message.text()));
  await page.goto(origin);
  return { page, preflights, console: said, [Symbol.asyncDispose]: () => browser.close() };
}

/** The shop through connect-web in a page: gRPC-Web over the browser's own `fetch`. */
export function browserClient({ page }: OpenPage, targets: Targets): ShopClient {
  const shop = (token: string | undefined): Shop => {
    const perform = async <T>(method: keyof Shop, ...parameters: unknown[]): Promise<T> => {
      const task: Task = { targets, token, method, parameters };
      const outcome = await page.evaluate<Outcome, Task>(
        (asked) => (globalThis as unknown as PageScope).perform(asked),
        task,
      );
      if ("value" in outcome) return outcome.value as T;
      throw new CallFailure(outcome.error.code, outcome.error.reason, outcome.error.message);
    };
    return {
      register: (user) => perform("register", user),
      login: (credentials) => perform("login", credentials),
      listProducts: (query) => perform("listProducts", query),
      putProduct: (product) => perform("putProduct", product),
      createOrder: (order, options) => perform("createOrder", order, options),
      getOrder: (orderId) => perform("getOrder", orderId),
      listOrders: () => perform("listOrders"),
      cancelOrder: (orderId) => perform("cancelOrder", orderId),
      async *watchOrder(orderId) {
        yield* await perform<Order[]>("watchOrder", orderId);
      },
      getPayment: (paymentId) => perform("getPayment", paymentId),
    };
  };
  return { shop, [Symbol.dispose]: () => {} };
}
