import axe from "axe-core";
import type { Browser, BrowserContext, Page } from "playwright-core";

/** A browser with a profile of its own, at the console. */
export interface Visitor extends AsyncDisposable {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the page's policy and the browser complained about. */
  readonly complaints: readonly string[];
  /** The methods that were called: "order.v1.OrderService/ListOrders". */
  readonly calls: readonly string[];
}

export interface VisitOptions {
  readonly timeoutMs: number;
  /** Of the window, in pixels. */
  readonly width?: number;
}

export const WIDE = 1280;
export const NARROW = 360;

const METHOD = /\/([a-z]+\.v1\.[A-Za-z]+\/[A-Za-z]+)$/;
/** The browser's own words about calls that fail; the console shows those to the user. */
const EXPECTED = /Failed to load resource|net::ERR_/;

export async function visit(
  browser: Browser,
  origin: string,
  { timeoutMs, width = WIDE }: VisitOptions,
): Promise<Visitor> {
  const context = await browser.newContext({
    viewport: viewport(width),
    permissions: ["clipboard-write"],
  });
  context.setDefaultTimeout(timeoutMs);
  const [complaints, calls]: [string[], string[]] = [[], []];
  context.on("page", (page) => {
    page.on("console", (message) => {
      if (message.type() === "error" && !EXPECTED.test(message.text()))
        complaints.push(message.text());
    });
    page.on("pageerror", (error) => void complaints.push(String(error)));
    page.on("request", (request) => {
      const method = METHOD.exec(new URL(request.url()).pathname)?.[1];
      if (method !== undefined) calls.push(method);
    });
  });
  const page = await context.newPage();
  await page.goto(origin);
  return { context, page, complaints, calls, [Symbol.asyncDispose]: () => context.close() };
}

const viewport = (width: number) => ({ width, height: width > 600 ? 900 : 780 });

/** Resolves when the page was drawn since, and nothing moves. */
const AT_REST = `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  .then(() => Promise.allSettled(document.getAnimations().map(({ finished }) => finished)))
  .then(() => true)`;

/** Changes the theme and the width, and waits until the page shows them. */
export async function present(
  page: Page,
  { theme, width }: { readonly theme: "light" | "dark"; readonly width: number },
): Promise<void> {
  await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
  await page.setViewportSize(viewport(width));
  await page.evaluate(AT_REST);
}

/** Comes in as a seeded user, with one click. */
export async function enterAs(page: Page, name: "Alice" | "Olivia"): Promise<void> {
  await page.getByRole("button", { name }).click();
  await page.getByRole("navigation", { name: "Main" }).waitFor();
}

interface Credentials {
  readonly email: string;
  readonly password: string;
}

export async function signUp(
  page: Page,
  { name, email, password }: Credentials & { readonly name: string },
): Promise<void> {
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByRole("navigation", { name: "Main" }).waitFor();
}

export async function signIn(page: Page, { email, password }: Credentials): Promise<void> {
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Main" }).waitFor();
}

/** Puts a product into the basket, chooses a card and places the order; resolves to its id. */
export async function buy(page: Page, product: string, card: string): Promise<string> {
  await page.getByRole("link", { name: "Shop" }).click();
  await page.getByRole("button", { name: `Add ${product}` }).click();
  await page.getByRole("radio", { name: new RegExp(`^${card}`) }).check();
  await page.getByRole("button", { name: /^Place the order/ }).click();
  await page.waitForURL("**/orders/*");
  return page.url().split("/").at(-1) ?? "";
}

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly target: readonly string[]; readonly any: unknown }[];
  }[];
}

/** Returns what axe finds on the page against WCAG 2.2 AA: "color-contrast: .badge". */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  // Anew each time: run again, the same copy found colors of the theme before.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(async (tags) => {
    const { axe: inPage } = globalThis as unknown as {
      axe: { run(options: object): Promise<AxeResults> };
    };
    return await inPage.run({ runOnly: { type: "tag", values: tags } });
  }, TAGS);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target }) => `${id}: ${target.join(" ")}`),
  );
}

/** Returns what the width of the page has no room for. */
export async function overflows(page: Page): Promise<string[]> {
  const over = await page
    .locator("html")
    .evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
  // Those that may be scrolled say so.
  const cut = await page
    .locator(".table:not(.table-scroll *)")
    .evaluateAll((tables) =>
      tables.filter((table) => table.scrollWidth > (table.parentElement?.clientWidth ?? 0)),
    );
  return [
    ...(over > 0 ? [`the page is ${over} px too wide`] : []),
    ...(cut.length > 0 ? ["a table is cut off"] : []),
  ];
}
