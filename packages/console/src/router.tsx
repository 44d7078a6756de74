import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { Role } from "@tercet/gen/common/v1/access";
import { Compass } from "lucide-react";
import { Shell } from "./frame/shell.tsx";
import { OrderPage } from "./orders/order-page.tsx";
import { OrdersPage } from "./orders/orders-page.tsx";
import { type Account, hasRole, mayOperate } from "./session/session.ts";
import { Shop } from "./shop/shop.tsx";
import { LinkButton } from "./ui/button.tsx";
import { Page } from "./ui/page.tsx";
import { Empty, ErrorPanel } from "./ui/states.tsx";

interface Context {
  readonly account: Account;
}

const root = createRootRouteWithContext<Context>()({
  component: () => <Shell account={root.useRouteContext().account} />,
  notFoundComponent: NotFound,
  errorComponent: ({ error, reset }) => (
    <Page title="Something broke">
      <ErrorPanel error={error} title="This page broke" onRetry={reset} />
    </Page>
  ),
});

function NotFound() {
  return (
    <Page title="Nothing here">
      <Empty
        icon={Compass}
        title="There is no such page"
        action={
          <LinkButton to="/" look="primary">
            Go home
          </LinkButton>
        }
      >
        It does not exist, or it is not for you.
      </Empty>
    </Page>
  );
}

const parent = { getParentRoute: () => root } as const;
/** Takes from a URL only what is text. */
const texts =
  <Name extends string>(...names: Name[]) =>
  (search: Record<string, unknown>): { readonly [Key in Name]?: string } =>
    Object.fromEntries(
      names.flatMap((name) => (typeof search[name] === "string" ? [[name, search[name]]] : [])),
    ) as { readonly [Key in Name]?: string };

/** The service refuses as well: this only spares others a page that they cannot use. */
const forOperators = {
  beforeLoad: ({ context }: { context: Context }) => {
    if (!mayOperate(context.account)) throw redirect({ to: "/" });
  },
};

const shop = createRoute({
  ...parent,
  path: "/",
  beforeLoad: ({ context: { account } }) => {
    if (hasRole(account, Role.CUSTOMER)) return;
    throw redirect({ to: mayOperate(account) ? "/overview" : "/docs" });
  },
  component: Shop,
});
const orders = createRoute({
  ...parent,
  path: "/orders",
  validateSearch: texts("status", "customer"),
  component: OrdersPage,
});
const order = createRoute({ ...parent, path: "/orders/$orderId", component: OrderPage });
const overview = createRoute({
  ...parent,
  ...forOperators,
  path: "/overview",
  component: lazyRouteComponent(() => import("./overview/overview-page.tsx"), "OverviewPage"),
});
const sagas = createRoute({
  ...parent,
  ...forOperators,
  path: "/sagas",
  validateSearch: texts("state", "kind", "late"),
  component: lazyRouteComponent(() => import("./sagas/sagas-page.tsx"), "SagasPage"),
});
const saga = createRoute({
  ...parent,
  ...forOperators,
  path: "/sagas/$sagaId",
  component: lazyRouteComponent(() => import("./sagas/saga-page.tsx"), "SagaPage"),
});
const payments = createRoute({
  ...parent,
  ...forOperators,
  path: "/payments",
  validateSearch: texts("status", "customer", "order"),
  component: lazyRouteComponent(() => import("./payments/payments-page.tsx"), "PaymentsPage"),
});
const payment = createRoute({
  ...parent,
  ...forOperators,
  path: "/payments/$paymentId",
  component: lazyRouteComponent(() => import("./payments/payment-page.tsx"), "PaymentPage"),
});
const money = createRoute({
  ...parent,
  ...forOperators,
  path: "/money",
  component: lazyRouteComponent(() => import("./overview/money-page.tsx"), "MoneyPage"),
});
const stock = createRoute({
  ...parent,
  ...forOperators,
  path: "/stock",
  component: lazyRouteComponent(() => import("./shop/stock-page.tsx"), "StockPage"),
});
const lab = createRoute({
  ...parent,
  path: "/lab",
  component: lazyRouteComponent(() => import("./lab/lab-page.tsx"), "LabPage"),
});
const account = createRoute({
  ...parent,
  path: "/account",
  component: lazyRouteComponent(() => import("./account/account-page.tsx"), "AccountPage"),
});
const docs = createRoute({
  ...parent,
  path: "/docs",
  validateSearch: texts("method"),
  component: lazyRouteComponent(() => import("./docs/docs-page.tsx"), "DocsPage"),
});

const routeTree = root.addChildren([
  shop,
  orders,
  order,
  overview,
  sagas,
  saga,
  payments,
  payment,
  money,
  stock,
  lab,
  account,
  docs,
]);

/** Creates the router of one user: what it has matched for one is not for the next. */
export const createConsoleRouter = (account: Account) =>
  createRouter({
    routeTree,
    context: { account },
    defaultPreload: "intent",
    scrollRestoration: false,
  });

declare module "@tanstack/react-router" {
  interface Register {
    readonly router: ReturnType<typeof createConsoleRouter>;
  }
}
