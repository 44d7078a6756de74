import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { Money as MoneyMessage } from "@tercet/gen/common/v1/money";
import { CatalogService, type Product } from "@tercet/gen/order/v1/catalog_service";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { Minus, Plus, ShoppingBasket } from "lucide-react";
import { useRef, useState } from "react";
import { Button } from "../ui/button.tsx";
import { formatMoney, plural } from "../ui/format.ts";
import { Page, Panel } from "../ui/page.tsx";
import { Empty, ErrorPanel, Skeleton } from "../ui/states.tsx";
import { Money } from "../ui/values.tsx";
import { emptyBasket, setPieces, useBasket } from "./basket.ts";
import { ProductPicture } from "./product-picture.tsx";
import { TEST_CARDS } from "./test-cards.ts";

const REFRESH_MS = 5_000;

export function Shop() {
  const catalog = useQuery(
    CatalogService.method.listProducts,
    { pageSize: 100 },
    { refetchInterval: REFRESH_MS },
  );
  const products = catalog.data?.products ?? [];
  return (
    <Page
      title="Shop"
      lead="The orders are real, the payment provider is simulated: pick a test card for what it does."
    >
      <div className="shop">
        <div className="products-column">
          {catalog.isPending && <Skeleton lines={8} label="Loading the catalog" />}
          {catalog.isError && products.length === 0 && (
            <ErrorPanel
              error={catalog.error}
              title="The catalog could not be loaded"
              onRetry={() => void catalog.refetch()}
            />
          )}
          <ul className="products">
            {products.map((product) => (
              <ProductCard key={product.sku} product={product} />
            ))}
          </ul>
        </div>
        <BasketPanel products={products} />
      </div>
    </Page>
  );
}

const FEW = 5n;

function ProductCard({ product }: { readonly product: Product }) {
  const { sku, name, description, price, stock } = product;
  const pieces = useBasket().get(sku) ?? 0;
  return (
    <li className="product">
      <ProductPicture sku={sku} />
      <h2>{name}</h2>
      <p className="product-text">{description}</p>
      <p className="product-foot">
        <strong>
          <Money value={price} />
        </strong>
        <span className="stock" data-few={stock <= FEW || undefined}>
          {stock === 0n ? "sold out" : `${stock} in stock`}
        </span>
      </p>
      {pieces === 0 ? (
        <Button aria-label={`Add ${name}`} onClick={() => setPieces(sku, 1)}>
          <Plus aria-hidden size={16} /> Add
        </Button>
      ) : (
        <Stepper name={name} pieces={pieces} onChange={(next) => setPieces(sku, next)} />
      )}
    </li>
  );
}

const Stepper = ({
  name,
  pieces,
  onChange,
}: {
  readonly name: string;
  readonly pieces: number;
  readonly onChange: (pieces: number) => void;
}) => (
  // biome-ignore lint/a11y/useSemanticElements: a fieldset has no place in a list item's row
  <div className="stepper" role="group" aria-label={`Pieces of ${name}`}>
    <button type="button" aria-label={`One ${name} less`} onClick={() => onChange(pieces - 1)}>
      <Minus aria-hidden size={14} />
    </button>
    <output className="tabular">{pieces}</output>
    <button type="button" aria-label={`One ${name} more`} onClick={() => onChange(pieces + 1)}>
      <Plus aria-hidden size={14} />
    </button>
  </div>
);

interface Line {
  readonly product: Product;
  readonly pieces: number;
}

function BasketPanel({ products }: { readonly products: readonly Product[] }) {
  const basket = useBasket();
  const lines = products
    .filter(({ sku }) => basket.has(sku))
    .map((product): Line => ({ product, pieces: basket.get(product.sku) ?? 0 }));
  const total = totalOf(lines);
  return (
    <div className="basket" id="basket">
      {lines.length > 0 && (
        <a href="#basket" className="basket-jump">
          <span>{plural(lines.length, "product")} in the basket</span>
          <Money value={total} />
        </a>
      )}
      <Panel title="Basket">
        {lines.length === 0 ? (
          <Empty icon={ShoppingBasket} title="Nothing in it yet">
            Add a product. “First pressing” is sold out: an order for it is charged, then refunded.
          </Empty>
        ) : (
          <>
            <ul className="basket-lines">
              {lines.map(({ product, pieces }) => (
                <li key={product.sku}>
                  <span>
                    {product.name}
                    <small>
                      {pieces} × <Money value={product.price} />
                    </small>
                  </span>
                  <Stepper
                    name={product.name}
                    pieces={pieces}
                    onChange={(next) => setPieces(product.sku, next)}
                  />
                </li>
              ))}
            </ul>
            <p className="basket-total">
              <span>Total</span>
              <strong>
                <Money value={total} />
              </strong>
            </p>
            <Checkout lines={lines} total={total} />
          </>
        )}
      </Panel>
    </div>
  );
}

function totalOf(lines: readonly Line[]): MoneyMessage | undefined {
  const price = lines[0]?.product.price;
  if (price === undefined) return undefined;
  const minorUnits = lines.reduce(
    (sum, { product, pieces }) => sum + (product.price?.minorUnits ?? 0n) * BigInt(pieces),
    0n,
  );
  return { ...price, minorUnits };
}

function Checkout({
  lines,
  total,
}: {
  readonly lines: readonly Line[];
  readonly total: MoneyMessage | undefined;
}) {
  const [token, setToken] = useState("tok_visa");
  const navigate = useNavigate();
  const queries = useQueryClient();
  // The id stays the same while the request does, so that pressing again makes no second order.
  const attempt = useRef({ key: "", requestId: "" });
  const order = useMutation(OrderService.method.createOrder, {
    onSuccess: async ({ id }) => {
      attempt.current = { key: "", requestId: "" };
      emptyBasket();
      await queries.invalidateQueries({
        queryKey: createConnectQueryKey({
          schema: OrderService.method.listOrders,
          cardinality: undefined,
        }),
      });
      await navigate({ to: "/orders/$orderId", params: { orderId: id } });
    },
  });
  const items = lines.map(({ product, pieces }) => ({ sku: product.sku, quantity: pieces }));
  const place = () => {
    const key = JSON.stringify([items, token, String(total?.minorUnits)]);
    if (attempt.current.key !== key) attempt.current = { key, requestId: crypto.randomUUID() };
    order.mutate({
      requestId: attempt.current.requestId,
      items,
      paymentMethod: { token },
      ...(total && { expectedTotal: total }),
    });
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        place();
      }}
    >
      <fieldset className="cards">
        <legend>Test card</legend>
        {TEST_CARDS.map((card) => (
          <label key={card.token} className="card">
            <input
              type="radio"
              name="card"
              value={card.token}
              checked={token === card.token}
              onChange={() => setToken(card.token)}
            />
            <span>
              <strong>{card.name}</strong>
              <small>{card.effect}</small>
            </span>
          </label>
        ))}
      </fieldset>
      {order.isError && <ErrorPanel error={order.error} title="The order was not accepted" />}
      <Button type="submit" look="primary" busy={order.isPending} className="wide">
        {order.isPending ? "Placing the order" : `Place the order for ${formatMoney(total)}`}
      </Button>
    </form>
  );
}
