import { type RequestRecord, type Sql, useRequest } from "@tercet/service";
import { MAX_STOCK, type NewProduct, type Product } from "./order.ts";
import type { products } from "./schema.ts";

type ProductRow = typeof products.$inferSelect;

const toProduct = ({ currencyCode, minorUnits, ...row }: ProductRow): Product => ({
  ...row,
  price: { currencyCode, minorUnits },
});

export async function putProduct(
  sql: Sql,
  request: RequestRecord,
  { sku, name, description, price, stock }: NewProduct,
): Promise<boolean> {
  const { currencyCode, minorUnits } = price;
  const rows = await sql`
    with request as (${useRequest(sql, request, sql`(select where not exists (select from products where sku = ${sku} and currency_code <> ${currencyCode})) as fits`)})
    insert into products (sku, name, description, currency_code, minor_units, stock)
    select ${sku}, ${name}, ${description}, ${currencyCode}, ${minorUnits.toString()}::bigint, ${stock.toString()}::bigint from request
    on conflict (sku) do update set name = excluded.name, description = excluded.description, minor_units = excluded.minor_units, update_time = now()
      where products.currency_code = excluded.currency_code
    returning sku`;
  return rows.length > 0;
}

/** Changes nothing if there is no such product, or its stock would exceed `MAX_STOCK`. */
export async function adjustStock(
  sql: Sql,
  request: RequestRecord,
  sku: string,
  delta: bigint,
): Promise<boolean> {
  // The lock makes the sum one of the latest stock.
  const rows = await sql`
    with request as (${useRequest(sql, request, sql`(select from products where sku = ${sku} and stock + ${delta.toString()}::bigint <= ${MAX_STOCK.toString()}::bigint for update) as fits`)})
    update products set stock = stock + ${delta.toString()}::bigint, update_time = now()
    from request where sku = request.resource_id
    returning sku`;
  return rows.length > 0;
}

/** Resolves to the products with one of these SKUs, for each list of them. */
export async function findProducts(
  sql: Sql,
  lists: readonly (readonly string[])[],
): Promise<readonly (readonly Product[])[]> {
  const skus = [...new Set(lists.flat())];
  const rows = await sql<ProductRow[]>`
    select * from products where sku in (select jsonb_array_elements_text(${sql.json(skus)}))`;
  const bySku = new Map(rows.map((row) => [row.sku, toProduct(row)]));
  return lists.map((list) =>
    list.flatMap((sku) => {
      const product = bySku.get(sku);
      return product === undefined ? [] : [product];
    }),
  );
}

export async function listProducts(sql: Sql, after: string | undefined, limit: number) {
  const rows = await sql<ProductRow[]>`
    select * from products where sku > ${after ?? ""} order by sku limit ${limit}`;
  return rows.map(toProduct);
}
