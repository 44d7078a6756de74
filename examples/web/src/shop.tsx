import { Code, type ConnectError } from "@connectrpc/connect";
import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import type { Money } from "@tercet/gen/common/v1/money";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";

const { listOrders, createOrder } = OrderService.method;
const ordersKey = createConnectQueryKey({ schema: listOrders, cardinality: "finite" });

/** After these the outcome is unknown. The same request again is safe: its id is the same. */
const isUnknown = (error: ConnectError) =>
  error.code === Code.Unavailable || error.code === Code.DeadlineExceeded;

export function Shop() {
  const queries = useQueryClient();
  const catalog = useQuery(CatalogService.method.listProducts, { pageSize: 20 });
  const orders = useQuery(listOrders, { pageSize: 10 });
  const order = useMutation(createOrder, {
    retry: (failures, error) => failures < 3 && isUnknown(error),
    onSettled: () => queries.invalidateQueries({ queryKey: ordersKey }),
  });
  const buy = (sku: string) =>
    order.mutate({
      requestId: crypto.randomUUID(),
      items: [{ sku, quantity: 1 }],
      paymentMethod: { token: "tok_visa" },
    });
  return (
    <>
      <h2>Products</h2>
      <ul>
        {catalog.data?.products.map(({ sku, name, price }) => (
          <li key={sku}>
            {name}, {amount(price)}{" "}
            <button type="button" disabled={order.isPending} onClick={() => buy(sku)}>
              Buy {sku}
            </button>
          </li>
        ))}
      </ul>
      <h2>Orders</h2>
      <ul>
        {orders.data?.orders.map(({ id, status, total }) => (
          <li key={id} data-testid="order">
            {OrderStatus[status]}, {amount(total)}
          </li>
        ))}
      </ul>
      <p role="alert">{(order.error ?? orders.error ?? catalog.error)?.message}</p>
    </>
  );
}

/** Shows minor units as the currency is written: 1999 EUR is 19.99. */
function amount(money: Money | undefined): string {
  if (money === undefined) return "";
  const format = new Intl.NumberFormat("en", { style: "currency", currency: money.currencyCode });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return format.format(`${money.minorUnits}E-${digits}` as Intl.StringNumericLiteral);
}
