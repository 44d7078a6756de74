/**
 * What a gateway routes to the console's server: its pages and its files. `$` begins a parameter,
 * as in the router of packages/console. Without the crash lab, which no image has.
 */
export const CONSOLE_PAGES: readonly string[] = [
  "/",
  "/account",
  "/docs",
  "/money",
  "/orders",
  "/orders/$orderId",
  "/overview",
  "/payments",
  "/payments/$paymentId",
  "/sagas",
  "/sagas/$sagaId",
  "/stock",
];

export const CONSOLE_FILES: readonly string[] = [
  "/assets/$file",
  "/console.json",
  "/favicon.svg",
  "/openapi.json",
  "/theme.js",
];
