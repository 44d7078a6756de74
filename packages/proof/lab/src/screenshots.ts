import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CommandError,
  chromiumOnPath,
  ROOT,
  runCommand,
  type Terminal,
  temporaryFolder,
  terminalListener,
} from "@tercet/cli";
import {
  ANY_PORT,
  type Api,
  envToConfig,
  logIn,
  runDemo,
  type Stack,
  startStack,
} from "@tercet/stack";
import { type Browser, chromium, type Page } from "playwright-core";
import { Lab } from "./lab.ts";

const FOLDER = join(ROOT, "reports/console");

const help = `Usage: pnpm console:screenshots [--help]

Starts a system of its own, places the orders of the demo, breaks things in the crash lab, and
writes pictures of every page to reports/console: light and dark, 1440 and 360 pixels wide.
Needs chromium in PATH.`;

/** How long orders are placed before something is broken, and until it has recovered. */
const WARM_UP_MS = 15_000;
const LOAD_MS = 6_000;
const RECOVERY_MS = 9_000;
/** Data that arrives after a page is there. */
const SETTLED_MS = 1_200;
const TIMEOUT_MS = 60_000;

/** Orders of alice whose pictures say something, by their ids. */
interface Samples {
  readonly retried: string;
  readonly refunded: string;
  readonly cancelled: string;
  /** Its worker was killed. */
  readonly takenOver: string;
}

interface Shot {
  readonly name: string;
  readonly user: "alice" | "olivia" | undefined;
  readonly path: string | ((samples: Samples) => string);
  readonly prepare?: (page: Page, lab: Lab) => Promise<void>;
}

const openFirst = async (page: Page) => {
  await page.locator(".row-link").first().click();
};

const shots: readonly Shot[] = [
  { name: "sign-in", user: undefined, path: "/" },
  {
    name: "shop",
    user: "alice",
    path: "/",
    prepare: async (page) => {
      await page.getByRole("button", { name: "Add Blue mug" }).click();
      await page.getByRole("button", { name: "Add Gooseneck kettle" }).click();
    },
  },
  { name: "my-orders", user: "alice", path: "/orders" },
  { name: "order", user: "alice", path: ({ takenOver }) => `/orders/${takenOver}` },
  { name: "order-retried", user: "alice", path: ({ retried }) => `/orders/${retried}` },
  { name: "order-refunded", user: "alice", path: ({ refunded }) => `/orders/${refunded}` },
  { name: "order-cancelled", user: "alice", path: ({ cancelled }) => `/orders/${cancelled}` },
  { name: "account", user: "alice", path: "/account" },
  { name: "overview", user: "olivia", path: "/overview" },
  { name: "orders", user: "olivia", path: "/orders" },
  { name: "sagas", user: "olivia", path: "/sagas" },
  { name: "saga", user: "olivia", path: "/sagas?state=COMPENSATED", prepare: openFirst },
  { name: "payments", user: "olivia", path: "/payments" },
  { name: "payment", user: "olivia", path: "/payments?status=REFUNDED", prepare: openFirst },
  { name: "money", user: "olivia", path: "/money" },
  { name: "stock", user: "olivia", path: "/stock" },
  {
    name: "crash-lab",
    user: "olivia",
    path: "/lab",
    prepare: async (page, lab) => {
      lab.setOrdering(true);
      await page.waitForTimeout(LOAD_MS);
      await lab.inject("kill-order");
      await page.waitForTimeout(RECOVERY_MS);
    },
  },
  { name: "api", user: "olivia", path: "/docs" },
];

await runCommand({
  help,
  run: async ({ terminal, signal }) => {
    const executablePath = await chromiumOnPath();
    if (executablePath === undefined) throw new CommandError("chromium is not in PATH: install it");
    await using folder = await temporaryFolder("screenshots");
    const lab = new Lab();
    const users = ["alice", "olivia", "admin"].map((name) => ({
      name,
      roles: [name === "alice" ? "customer" : name === "olivia" ? "operator" : "admin"],
    }));
    await using stack = await startStack(envToConfig({ ...ANY_PORT, DATA_DIR: folder.path }), {
      listener: { ...terminalListener(terminal), notice: () => {} },
      signal,
      site: { console: { ...lab.settings, users }, extend: (app) => lab.routes(app) },
    });
    lab.attach(stack);
    await using _ = lab;
    const samples = await fillWithOrders(stack, lab, terminal, signal);
    await mkdir(FOLDER, { recursive: true });
    const browser = await chromium.launch({
      executablePath,
      args: ["--no-sandbox", "--disable-gpu"],
      timeout: TIMEOUT_MS,
    });
    try {
      for (const theme of ["light", "dark"] as const)
        for (const width of [1440, 360])
          await takeAll(browser, { stack, lab, samples }, theme, width);
    } finally {
      await browser.close();
    }
    terminal.line(`${shots.length * 4} pictures in ${FOLDER}`);
    return 0;
  },
});

async function fillWithOrders(
  stack: Stack,
  lab: Lab,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Samples> {
  const passwords = {
    alice: stack.users.alice.password,
    olivia: stack.users.olivia.password,
  };
  terminal.line("placing the orders of the demo");
  await runDemo({ url: stack.urls.edge, passwords }, () => {}, signal);
  terminal.line("breaking things");
  await lab.setReplica(true);
  lab.setOrdering(true);
  await sleep(WARM_UP_MS, undefined, { signal });
  await lab.inject("kill-payment");
  await sleep(RECOVERY_MS, undefined, { signal });
  await lab.inject("kill-order");
  await sleep(RECOVERY_MS, undefined, { signal });
  lab.setOrdering(false);
  terminal.line("placing orders for their pictures");
  return await placeSamples(stack);
}

async function placeSamples({ urls: { edge }, users }: Stack): Promise<Samples> {
  const { orders } = await logIn(edge, users.alice);
  const place = async (sku: string, token: string): Promise<string> => {
    const { id } = await orders.createOrder({
      requestId: crypto.randomUUID(),
      items: [{ sku, quantity: 1 }],
      paymentMethod: { token },
    });
    return id;
  };
  const cancelled = await place("SCALE", "tok_visa");
  await orders.cancelOrder({ orderId: cancelled, requestId: crypto.randomUUID() });
  return {
    cancelled,
    retried: await place("MUG-BLUE", "tok_flaky"),
    refunded: await place("VINYL-FIRST-PRESS", "tok_visa"),
    takenOver: await findTakenOver(orders),
  };
}

/** The newest order that two workers moved; if there is none, the newest one. */
async function findTakenOver(orders: Api["orders"]): Promise<string> {
  const { orders: newest } = await orders.listOrders({ pageSize: 100 });
  for (const { id } of newest) {
    const { timeline } = await orders.getOrder({ orderId: id });
    if (new Set(timeline.map(({ worker }) => worker)).size > 1) return id;
  }
  return newest[0]?.id ?? "";
}

interface Scene {
  readonly stack: Stack;
  readonly lab: Lab;
  readonly samples: Samples;
}

async function takeAll(
  browser: Browser,
  { stack, lab, samples }: Scene,
  theme: "light" | "dark",
  width: number,
): Promise<void> {
  const viewport = { width, height: width > 600 ? 900 : 844 };
  let context = await browser.newContext({ viewport, colorScheme: theme, deviceScaleFactor: 2 });
  let user: Shot["user"];
  for (const shot of shots) {
    if (shot.user !== user) {
      await context.close();
      context = await browser.newContext({ viewport, colorScheme: theme, deviceScaleFactor: 2 });
      context.setDefaultTimeout(TIMEOUT_MS);
    }
    const page = await context.newPage();
    await page.goto(stack.urls.edge);
    if (shot.user !== user && shot.user !== undefined) {
      await page.getByRole("button", { name: new RegExp(`^\\W*${shot.user}`, "i") }).click();
      await page.getByRole("navigation", { name: "Main" }).waitFor();
    }
    user = shot.user;
    const path = typeof shot.path === "string" ? shot.path : shot.path(samples);
    await page.goto(stack.urls.edge + path);
    await shot.prepare?.(page, lab);
    await page.waitForTimeout(SETTLED_MS);
    await page.screenshot({ path: join(FOLDER, `${shot.name}-${theme}-${width}.png`) });
    lab.setOrdering(false);
    await page.close();
  }
  await context.close();
}
