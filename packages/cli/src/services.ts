/**
 * The list of services: what stack, edge, gateway, charts, Compose, images, alerts and contracts
 * know of them. Files that cannot import it are compared with it by `pnpm verify --only services`;
 * `pnpm generate` adds to them what is missing.
 */
export interface ServiceEntry {
  /**
   * "order": of its folder in packages/, its package (@tercet/order), its host, its image, and its
   * package in proto/ (order.v1).
   */
  readonly name: string;
  /** The one port for every protocol. */
  readonly port: number;
  /** Its proto services. The health of the first decides about readiness on Kubernetes. */
  readonly protoServices: readonly string[];
  readonly database: ServiceDatabase;
  /** The services that it calls, with a token that Identity issues to it. */
  readonly calls: readonly string[];
}

export interface ServiceDatabase {
  /** On a PostgreSQL server that several services share, and of the role that owns it. */
  readonly name: string;
  /** Those that it can use; the first is what Compose and Kubernetes run. */
  readonly kinds: readonly ("postgres" | "mongodb")[];
}

export const services = [
  {
    name: "identity",
    port: 5010,
    protoServices: ["identity.v1.IdentityService"],
    database: { name: "identity", kinds: ["postgres"] },
    calls: [],
  },
  {
    name: "order",
    port: 5011,
    protoServices: ["order.v1.OrderService", "order.v1.CatalogService", "order.v1.SagaService"],
    database: { name: "orders", kinds: ["postgres"] },
    calls: ["payment"],
  },
  {
    name: "payment",
    port: 5012,
    protoServices: ["payment.v1.PaymentService"],
    database: { name: "payments", kinds: ["mongodb", "postgres"] },
    calls: [],
  },
] as const satisfies readonly ServiceEntry[];

export type ServiceName = (typeof services)[number]["name"];

export const serviceNames: readonly ServiceName[] = services.map(({ name }) => name);

const entries: ReadonlyMap<string, ServiceEntry> = new Map(
  services.map((entry) => [entry.name, entry]),
);

/** Returns the entry of a service. Throws for a name that is not in the list. */
export function serviceEntry(name: string): ServiceEntry {
  const entry = entries.get(name);
  if (entry === undefined)
    throw new Error(`${name} is not in the list of services: ${serviceNames.join(", ")}`);
  return entry;
}

/** Returns a record with what is made of each name. */
export const recordOf = <Name extends string, T>(
  names: readonly Name[],
  make: (name: Name) => T,
): Record<Name, T> =>
  Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, T>;
