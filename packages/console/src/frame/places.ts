import { Role } from "@tercet/gen/common/v1/access";
import {
  Activity,
  BookOpen,
  Boxes,
  CreditCard,
  FlaskConical,
  type LucideIcon,
  Package,
  Scale,
  Store,
  Workflow,
} from "lucide-react";
import { type Account, hasRole, mayOperate } from "../session/session.ts";
import { settings } from "../session/settings.ts";

export interface Place {
  readonly to: string;
  readonly name: string;
  readonly icon: LucideIcon;
  /** Only where it is marked current exactly, and not for pages beneath. */
  readonly exact?: boolean;
}

export interface PlaceGroup {
  readonly name: string;
  readonly places: readonly Place[];
}

/** The places that this user sees in the rail. */
export function placesOf(account: Account): PlaceGroup[] {
  const customer = hasRole(account, Role.CUSTOMER);
  const operator = hasRole(account, Role.OPERATOR);
  const orders = { to: "/orders", name: operator ? "Orders" : "My orders", icon: Package };
  return [
    {
      name: "Buy",
      places: customer ? [{ to: "/", name: "Shop", icon: Store, exact: true }, orders] : [],
    },
    {
      name: "Operate",
      places: mayOperate(account)
        ? [
            { to: "/overview", name: "Overview", icon: Activity },
            ...(customer ? [] : [orders]),
            { to: "/sagas", name: "Sagas", icon: Workflow },
            { to: "/payments", name: "Payments", icon: CreditCard },
            { to: "/money", name: "Money", icon: Scale },
            { to: "/stock", name: "Stock", icon: Boxes },
          ]
        : operator && !customer
          ? [orders]
          : [],
    },
    {
      name: "Try",
      places: [
        ...(settings.lab ? [{ to: "/lab", name: "Crash lab", icon: FlaskConical }] : []),
        { to: "/docs", name: "API", icon: BookOpen },
      ],
    },
  ].filter(({ places }) => places.length > 0);
}
