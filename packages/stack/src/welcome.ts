import type { Terminal } from "@tercet/cli";
import { serviceNames } from "./config.ts";
import { urlOf } from "./ports.ts";
import type { Stack } from "./stack.ts";

const OWN_PORT = "each service's own port also has reflection and health";

type Shown = Pick<Stack, "urls" | "ports" | "users" | "dataDir">;

/** Returns what is printed when a stack has started: addresses, users, a first order. */
export function welcome(
  { urls, ports, users, dataDir }: Shown,
  { styled }: Pick<Terminal, "styled">,
): string {
  const title = (text: string) => styled("bold", text);
  return [
    "",
    title("Tercet is running"),
    row("console", `${urls.edge}/`, "open it in a browser: shop, orders, sagas, API"),
    row("edge", urls.edge, "all services: gRPC, gRPC-Web, Connect and plain HTTP"),
    row("", urlOf(ports.edge_grpc), "the same, at Kong's port for gRPC"),
    ...serviceNames.map((name, index) => row(name, urls[name], index === 0 ? OWN_PORT : "")),
    row("", urlOf(ports.payment_grpc), "payment too, at its port in production"),
    row("logs", `${dataDir}/logs`, ""),
    "",
    title("Users"),
    ...Object.values(users).map(({ email, password, roles }) =>
      row(email, password, roles.join(", "), 20),
    ),
    "",
    title("Place an order"),
    placeAnOrder(urls.edge, users.alice),
    "",
    `${title("pnpm demo")} in another terminal places orders of every outcome. ${title("Ctrl-C")} stops.`,
  ].join("\n");
}

const row = (name: string, value: string, note: string, width = 10): string =>
  `  ${name.padEnd(width)} ${value.padEnd(23)} ${note}`.trimEnd();

/** Returns shell commands that place an order; they need curl and sed. */
export function placeAnOrder(
  edge: string,
  { email, password }: { readonly email: string; readonly password: string },
): string {
  const order = { items: [{ sku: "MUG-BLUE", quantity: 2 }], paymentMethod: { token: "tok_visa" } };
  const body = JSON.stringify(order).replace("{", `{"requestId":"'$ID'",`);
  return `
TOKEN=$(curl -s ${edge}/identity.v1.IdentityService/Login -H 'content-type: application/json' \\
  -d '${JSON.stringify({ email, password })}' | sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/')
ID=$(node -p 'crypto.randomUUID()')
curl -s ${edge}/order.v1.OrderService/CreateOrder -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \\
  -d '${body}'`.trimStart();
}
