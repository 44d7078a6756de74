import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { CatalogService, type Product } from "@tercet/gen/order/v1/catalog_service";
import { Boxes } from "lucide-react";
import { Confirm } from "../ui/confirm.tsx";
import { Page, Panel } from "../ui/page.tsx";
import { Empty, ErrorPanel, Skeleton } from "../ui/states.tsx";
import { notifyDone } from "../ui/toasts.tsx";
import { Ago, Money } from "../ui/values.tsx";

const REFRESH_MS = 5_000;

export function StockPage() {
  const catalog = useQuery(
    CatalogService.method.listProducts,
    { pageSize: 100 },
    { refetchInterval: REFRESH_MS },
  );
  const products = catalog.data?.products ?? [];
  return (
    <Page
      title="Stock"
      lead="Pieces that can still be sold. An order takes its pieces when it is confirmed."
    >
      <Panel flush>
        {catalog.isPending && <Skeleton lines={8} label="Loading the stock" />}
        {catalog.isError && products.length === 0 && (
          <ErrorPanel error={catalog.error} onRetry={() => void catalog.refetch()} />
        )}
        {catalog.isSuccess && products.length === 0 && (
          <Empty icon={Boxes} title="The catalog is empty">
            Products are added by CatalogService.PutProduct: see the API.
          </Empty>
        )}
        {products.length > 0 && (
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Product</th>
                <th scope="col" className="wide-only">
                  SKU
                </th>
                <th scope="col" className="right">
                  Price
                </th>
                <th scope="col" className="right">
                  Stock
                </th>
                <th scope="col" className="wide-only right">
                  Changed
                </th>
                <th scope="col">
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {products.map((product) => (
                <StockRow key={product.sku} product={product} />
              ))}
            </tbody>
          </table>
        )}
      </Panel>
    </Page>
  );
}

function StockRow({ product }: { readonly product: Product }) {
  const { sku, name, price, stock, updateTime } = product;
  return (
    <tr>
      <td>{name}</td>
      <td className="wide-only mono muted">{sku}</td>
      <td className="right">
        <Money value={price} />
      </td>
      <td className="right tabular" data-empty={stock === 0n || undefined}>
        {stock === 0n ? "sold out" : String(stock)}
      </td>
      <td className="wide-only right muted">
        <Ago time={updateTime} />
      </td>
      <td className="right">
        <Adjust product={product} />
      </td>
    </tr>
  );
}

function Adjust({ product: { sku, name, stock } }: { readonly product: Product }) {
  const queries = useQueryClient();
  const adjust = useMutation(CatalogService.method.adjustStock);
  return (
    <Confirm
      trigger={
        <>
          Adjust<span className="visually-hidden"> the stock of {name}</span>
        </>
      }
      title={`Adjust the stock of ${name}`}
      effect={`It is ${stock} now. The change is added to what the stock is when it arrives.`}
      action="Adjust"
      reason="none"
      fields={
        <label className="field">
          <span>Change, for example 10 or -3</span>
          <input name="delta" type="number" step={1} required defaultValue={10} />
        </label>
      }
      onConfirm={async (form) => {
        await adjust.mutateAsync({
          sku,
          delta: BigInt(String(form.get("delta"))),
          requestId: crypto.randomUUID(),
        });
        notifyDone(`The stock of ${name} was adjusted`);
        await queries.invalidateQueries({
          queryKey: createConnectQueryKey({
            schema: CatalogService.method.listProducts,
            cardinality: undefined,
          }),
        });
      }}
    />
  );
}
