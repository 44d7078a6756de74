import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { chromiumOnPath, ROOT } from "@tercet/cli";
import { envToConfig as consoleConfig, startConsoleServer } from "@tercet/console-server";
import { parseKongConfig } from "@tercet/gateway";
import { logIn, type Stack } from "@tercet/stack";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConsoleStack, startConsoleStack } from "./console/console-stack.ts";
import {
  accessibilityProblems,
  buy,
  enterAs,
  NARROW,
  overflows,
  present,
  signIn,
  signUp,
  type Visitor,
  visit,
  WIDE,
} from "./console/visitor.ts";
import { expectInvariants } from "./expect-invariants.ts";
import { startKong } from "./kong/kong.ts";
import { patient } from "./patience.ts";
import { type TestFolder, testFolder } from "./stack.ts";

/** The console against the real stack, in a real browser. */
const chromiumPath = await chromiumOnPath();
if (chromiumPath === undefined)
  process.stderr.write("WITHOUT chromium: the console is not tried\n");

/** A crash is noticed soon, and a refund that is refused waits for an operator soon. */
const SETTINGS = { SAGA_LEASE_MS: "1500", SAGA_COMPENSATION_BUDGET_MS: "3000" };
const TIMEOUT = patient(20_000);
/** For a browser neither HTTPS nor localhost. */
const INSECURE_HOST = "console.test";

/** Places an order of 237.50 euros and cancels it: amounts of more digits than most. */
async function refundMugs({ urls, users }: Stack): Promise<void> {
  const { orders } = await logIn(urls.edge, users.alice);
  const { id: orderId } = await orders.createOrder({
    requestId: crypto.randomUUID(),
    items: [{ sku: "MUG-BLUE", quantity: 19 }],
    paymentMethod: { token: "tok_visa" },
  });
  await orders.cancelOrder({ orderId, requestId: crypto.randomUUID() });
}

describe.skipIf(chromiumPath === undefined)("the console", () => {
  let folder: TestFolder;
  let system: ConsoleStack;
  let browser: Browser;

  beforeAll(async () => {
    folder = await testFolder();
    system = await startConsoleStack(folder.path, SETTINGS);
    browser = await chromium.launch({
      executablePath: chromiumPath ?? "",
      args: [
        ...["--no-sandbox", "--disable-gpu", "--no-first-run"],
        `--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1`,
      ],
      timeout: patient(60_000),
    });
  });
  afterAll(async () => {
    await browser?.close();
    await system?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  const open = (options: { width?: number } = {}): Promise<Visitor> =>
    visit(browser, system.stack.urls.edge, { timeoutMs: TIMEOUT, ...options });

  test("a customer signs up, orders, and watches the order live until it is CONFIRMED", async () => {
    await using visitor = await open();
    const { page, complaints } = visitor;
    await page.getByRole("button", { name: "Create an account" }).click();
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByText("This is needed.").first().waitFor();
    await page.getByLabel("Name").fill("Robin");
    await page.getByLabel("Email").fill(`robin-${crypto.randomUUID()}@example.com`);
    await page.getByLabel("Password").fill("short");
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByText("At least 8 characters.").waitFor();
    await page.getByLabel("Password").fill("correct horse");
    await page.getByRole("button", { name: "Create account" }).click();

    await buy(page, "Blue mug", "Slow");
    await page.getByRole("button", { name: "charge, attempt 1, running" }).waitFor();
    await page.getByRole("button", { name: /^allocate, attempt 1, succeeded/ }).waitFor();
    await page.getByRole("heading", { name: "Confirmed" }).waitFor();
    await page.getByText(/^Charged and confirmed in /).waitFor();
    await page.getByRole("link", { name: "My orders" }).click();
    await page.getByRole("row", { name: /Confirmed Blue mug €12\.50/ }).waitFor();
    expect(complaints).toEqual([]);
  });

  test("a change of the order is on the page within a second", async () => {
    await using visitor = await open();
    const { page } = visitor;
    await enterAs(page, "Alice");
    const orderId = await buy(page, "Travel cup", "Slow");
    const seenMs = await page
      .getByRole("heading", { name: "Confirmed" })
      .evaluate(() => Date.now());
    const alice = await logIn(system.stack.urls.edge, system.stack.users.alice);
    const { updateTime } = await alice.orders.getOrder({ orderId });
    const changedMs = Number(updateTime?.seconds) * 1_000 + (updateTime?.nanos ?? 0) / 1e6;
    process.stderr.write(`on the page ${(seenMs - changedMs).toFixed(0)} ms after the event\n`);
    expect(seenMs - changedMs).toBeLessThan(patient(1_000));
  });

  test("a declined card is named in words, and nothing was charged", async () => {
    await using visitor = await open();
    const { page } = visitor;
    await enterAs(page, "Alice");
    await buy(page, "Hand grinder", "Declined");
    await page.getByText("Rejected without a charge: the card was declined.").waitFor();
    await page.getByRole("heading", { name: "Rejected" }).waitFor();
  });

  test("what is sold out is charged, and its refund is seen", async () => {
    await using visitor = await open();
    const { page } = visitor;
    await enterAs(page, "Alice");
    await buy(page, "First pressing", "Approved");
    await page.getByRole("button", { name: /^refund, attempt 1, succeeded/ }).waitFor();
    await page.getByText("The stock was gone; €32.00 refunded.").waitFor();
  });

  test("a customer cancels an order, and gets the money back", async () => {
    await using visitor = await open();
    const { page } = visitor;
    await enterAs(page, "Alice");
    await buy(page, "Kitchen scale", "Approved");
    await page.getByRole("heading", { name: "Confirmed" }).waitFor();
    await page.getByRole("button", { name: "Cancel order" }).click();
    await page.getByLabel("Reason").fill("ordered twice");
    await page.getByRole("button", { name: "Cancel the order" }).click();
    await page.getByText("Cancelled by the customer; €39.99 refunded.").waitFor();
  });

  test("an operator sees a saga park, and retries it when refunds work again", async () => {
    await system.lab.setMood("refuses-refunds");
    await using customer = await open();
    await enterAs(customer.page, "Alice");
    const orderId = await buy(customer.page, "First pressing", "Refund fails");
    await customer.page.getByRole("heading", { name: "Needs attention" }).waitFor();

    await using operator = await open();
    const { page, complaints } = operator;
    await enterAs(page, "Olivia");
    await page.getByRole("link", { name: /Sagas.*1.*need attention/s }).click();
    await page.getByRole("button", { name: "Needs attention" }).click();
    await page
      .getByRole("row", { name: new RegExp(orderId.slice(-8)) })
      .first()
      .waitFor();
    await page.locator(".row-link").first().click();
    await page.getByText("only an operator can move it").waitFor();
    await system.lab.setMood("works");
    await page.getByRole("button", { name: "Retry" }).click();
    await page.getByText("It gets a new time budget").waitFor();
    await page.getByRole("button", { name: "Retry now" }).click();
    await page.getByRole("heading", { name: "Compensated" }).waitFor();
    // The customer's page has not been touched.
    await customer.page.getByText("The stock was gone; €32.00 refunded.").waitFor();
    expect(complaints).toEqual([]);
  });

  test("Order is killed in the lab: its orders are taken over, none is lost, no cent is missing", async () => {
    await using visitor = await open();
    const { page, complaints } = visitor;
    await enterAs(page, "Olivia");
    await page.getByRole("link", { name: "Crash lab" }).click();
    await page.getByRole("switch", { name: "A second Order" }).click();
    await page
      .getByRole("button", { name: "Kill Order B" })
      .and(page.locator(":enabled"))
      .waitFor();
    await page.getByRole("switch", { name: "Keep ordering" }).click();
    await expect
      .poll(() => system.lab.report()?.orders.filter(({ state }) => state === "RUNNING").length)
      .toBeGreaterThan(1);
    await page.getByRole("button", { name: "Kill Order A" }).click();
    const card = page.getByRole("listitem").filter({ hasText: "Order A was killed" });
    await card.getByText(/took over the first after/).waitFor();
    await card.getByText("No order was lost, and no customer was charged twice.").waitFor();
    await page.getByRole("switch", { name: "Keep ordering" }).click();
    await page
      .getByRole("listitem")
      .filter({ hasText: /^0lost$/ })
      .waitFor();
    await page.getByRole("listitem").filter({ hasText: "€0.00money difference" }).waitFor();
    await page.getByRole("link", { name: "Money" }).click();
    await page.getByText("Every invariant holds").waitFor();
    expect(complaints).toEqual([]);
  });

  test("an order that is watched while its service is killed goes on by itself", async () => {
    await using visitor = await open();
    const { page } = visitor;
    await enterAs(page, "Alice");
    await buy(page, "Sencha, 100 g", "Slow");
    await page.getByRole("button", { name: "charge, attempt 1, running" }).waitFor();
    await system.stack.services.order.kill();
    await page.getByRole("heading", { name: "Confirmed" }).waitFor();
    await page.getByText(/another one took over after/).waitFor();
    await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
  });

  test("two tabs share one session: neither signs the other out, and one sign-out is for both", async () => {
    await using visitor = await open();
    const { page, context, calls } = visitor;
    await enterAs(page, "Alice");
    const other = await context.newPage();
    await other.goto(system.stack.urls.edge);
    const rail = (tab: typeof page) => tab.getByRole("navigation", { name: "Main" });
    await rail(other).waitFor();
    for (let round = 0; round < 3; round++) {
      await Promise.all([page.reload(), other.reload()]);
      await Promise.all([rail(page).waitFor(), rail(other).waitFor()]);
    }
    expect(calls).toContain("identity.v1.IdentityService/Refresh");
    await page.getByRole("link", { name: "My orders" }).click();
    await page.getByRole("table").waitFor();
    await page.getByRole("button", { name: "Account of Alice" }).click();
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await Promise.all([
      page.getByLabel("Password").waitFor(),
      other.getByLabel("Password").waitFor(),
    ]);
    await other.reload();
    await other.getByLabel("Password").waitFor();
  });

  test("a user changes the password, and ends a session in another browser", async () => {
    await using here = await open();
    await using there = await open();
    const email = `sam-${crypto.randomUUID()}@example.com`;
    await signUp(here.page, { name: "Sam", email, password: "correct horse" });
    await signIn(there.page, { email, password: "correct horse" });
    const { page } = here;
    const account = async () => {
      await page.getByRole("button", { name: "Account of Sam" }).click();
      await page.getByRole("link", { name: "Password and sessions" }).click();
    };
    await account();
    await page.getByRole("row", { name: /this browser/ }).waitFor();
    await page.getByRole("button", { name: /^Revoke session/ }).click();
    await page.getByRole("button", { name: "Revoke", exact: true }).click();
    await there.page.getByLabel("Password").waitFor();
    await signIn(there.page, { email, password: "correct horse" });

    const change = async (current: string) => {
      await page.getByLabel("Current password").fill(current);
      await page.getByLabel("New password").fill("another horse");
      await page.getByRole("button", { name: "Change password" }).click();
    };
    await change("wrong horse");
    await page.getByText("This is not your current password.").waitFor();
    await change("correct horse");
    await page.getByText("The password was changed.", { exact: false }).waitFor();
    await there.page.getByLabel("Password").waitFor();

    // This browser is known: it sends what the change returned with its next login.
    const devices = await page.evaluate(() => localStorage.getItem("tercet.devices"));
    const [[known, token] = []] = JSON.parse(devices ?? "[]") as [string, string][];
    expect(known).toBe(email);
    expect(token).toMatch(/^[A-Za-z0-9_.-]{20,200}$/);
    await page.getByRole("button", { name: "Sign out everywhere" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
    const login = page.waitForRequest(/IdentityService\/Login$/);
    await signIn(page, { email, password: "another horse" });
    expect((await login).postDataBuffer()?.toString("latin1")).toContain(token);
    expect(here.complaints).toEqual([]);
  });

  test("a customer never sees operators' pages or data", async () => {
    await using visitor = await open();
    const { page, calls } = visitor;
    await enterAs(page, "Alice");
    const rail = page.getByRole("navigation", { name: "Main" });
    for (const name of ["Overview", "Sagas", "Payments", "Money", "Stock"])
      expect(await rail.getByRole("link", { name }).count(), name).toBe(0);
    for (const path of ["/overview", "/sagas", "/payments", "/money", "/stock"]) {
      await page.goto(system.stack.urls.edge + path);
      await page.getByRole("heading", { name: "Shop" }).waitFor();
    }
    expect(calls.filter((call) => /SagaService|ListPayments/.test(call))).toEqual([]);
    for (const path of ["/lab/money", "/lab/workers"]) {
      const response = await fetch(system.stack.urls.edge + path);
      expect(response.status, path).toBe(403);
    }
  });

  test("behind Kong a customer orders and watches live, and operators' pages are not there", async () => {
    await using server = await startConsoleServer(consoleConfig({ HOST: "127.0.0.1", PORT: "0" }));
    await using kong = await startKong(
      parseKongConfig(await readFile(join(ROOT, "gateway/kong.yml"), "utf8")),
      { ...system.stack.urls, console: server.url },
    );
    const visitKong = () => visit(browser, kong.url, { timeoutMs: TIMEOUT });
    await using customer = await visitKong();
    const { page } = customer;
    const email = `kim-${crypto.randomUUID()}@example.com`;
    await signUp(page, { name: "Kim", email, password: "correct horse" });
    const orderId = await buy(page, "Blue mug", "Slow");
    await page.getByRole("button", { name: "charge, attempt 1, running" }).waitFor();
    await page.getByRole("heading", { name: "Confirmed" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Confirmed" }).waitFor();
    expect(page.url()).toBe(`${kong.url}/orders/${orderId}`);
    expect(customer.complaints).toEqual([]);

    await using operator = await visitKong();
    await signIn(operator.page, system.stack.users.olivia);
    const rail = operator.page.getByRole("navigation", { name: "Main" });
    expect(await rail.locator(".rail-link").allInnerTexts()).toEqual(["Orders", "API"]);
    await operator.page.goto(`${kong.url}/sagas`);
    await operator.page.getByRole("heading", { name: /CreateOrder/ }).waitFor();
    expect(operator.calls.filter((call) => /SagaService|ListPayments/.test(call))).toEqual([]);
    expect(operator.complaints).toEqual([]);

    const insecure = kong.url.replace("127.0.0.1", INSECURE_HOST);
    await using stranger = await visit(browser, insecure, { timeoutMs: TIMEOUT });
    await stranger.page.getByText("The console needs HTTPS").waitFor();
  });

  test("the API reference calls a method as the signed-in user", async () => {
    await using visitor = await open();
    const { page, complaints } = visitor;
    await enterAs(page, "Alice");
    await page.getByRole("link", { name: "API" }).click();
    await page.getByRole("heading", { name: /CreateOrder/ }).waitFor();
    await page.getByRole("link", { name: "ListProducts" }).click();
    await page.getByRole("button", { name: "Send as yourself" }).click();
    await page.getByText(/^200 · /).waitFor();
    await page.getByText('"MUG-BLUE"').first().waitFor();
    expect(complaints).toEqual([]);
  });

  test("axe finds nothing against WCAG 2.2 AA, in light and dark, wide and narrow", async () => {
    await using visitor = await open({ width: NARROW });
    const { page, complaints } = visitor;
    await refundMugs(system.stack);
    const found: Record<string, string[]> = {};
    const look = async (name: string) => {
      for (const theme of ["light", "dark"] as const)
        for (const width of [WIDE, NARROW]) {
          await present(page, { theme, width });
          const problems = [...(await accessibilityProblems(page)), ...(await overflows(page))];
          if (problems.length > 0) found[`${name}, ${theme}, ${width} px wide`] = problems;
        }
    };
    await look("sign in");
    await enterAs(page, "Alice");
    await page.getByRole("button", { name: "Add Red mug" }).click();
    await look("shop");
    await buy(page, "Paper filters, 100", "Approved");
    await page.getByRole("heading", { name: "Confirmed" }).waitFor();
    await look("order");
    await page.getByRole("button", { name: "Cancel order" }).click();
    await look("cancel order");
    await page.keyboard.press("Escape");
    await page.getByRole("link", { name: "My orders" }).click();
    await page.getByRole("table").waitFor();
    await look("my orders");
    await page.getByRole("button", { name: "Account of Alice" }).click();
    await look("account menu");
    await page.getByRole("link", { name: "Password and sessions" }).click();
    await page.getByRole("row", { name: /this browser/ }).waitFor();
    await look("account");
    await page.getByRole("button", { name: "Account of Alice" }).click();
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await enterAs(page, "Olivia");
    for (const [link, sign] of [
      ["Overview", "Orders by outcome"],
      ["Orders", "Customer"],
      ["Sagas", "Failures"],
      ["Payments", "€237.50"],
      ["Money", "Every invariant holds"],
      ["Stock", "Hand grinder"],
      ["Crash lab", "Break something"],
      ["API", "Error reasons"],
    ] as const) {
      await page
        .getByRole("navigation", { name: "Main" })
        .getByRole("link", { name: link })
        .click();
      await page.getByText(sign).first().waitFor({ state: "attached" });
      await look(link);
    }
    await page.goto(`${system.stack.urls.edge}/sagas`);
    await page.locator(".row-link").first().click();
    await page.getByText("Failures in a row").waitFor();
    await look("saga");
    expect(found).toEqual({});
    expect(complaints).toEqual([]);
  });

  test("other pages of this browser cannot use the lab", async () => {
    const { edge } = system.stack.urls;
    const post = (headers: Record<string, string>) =>
      fetch(`${edge}/lab/sign-in`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({ user: "olivia" }),
      });
    expect((await post({ origin: "http://localhost:5173" })).status).toBe(403);
    expect((await post({ "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect((await post({ "sec-fetch-site": "same-site" })).status).toBe(403);
    expect((await post({ "content-type": "text/plain" })).status).toBe(403);
    expect((await post({})).status).toBe(200);
  });

  test("the money of all of it adds up", async () => {
    system.lab.setOrdering(false);
    await expectInvariants(system.stack);
  });
});
