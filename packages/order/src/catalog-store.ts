import { type RequestRecord, type Sql, useRequest } from "@tercet/service";
import type { Product } from "./product.ts";

/** Creates the product, or replaces all but its stock and currency. */
export async function putProduct(
  sql: Sql,
  request: RequestRecord,
  product: Omit<Product, "updateTime">,
): Promise<boolean> {
  const { sku, name, description, currency, price, stock } = product;
  const rows = await sql`
    with request as (${useRequest(sql, request, sql`(select where not exists (select from products where sku = ${sku} and currency <> ${currency})) as fits`)})
    insert into products (sku, name, description, currency, price, stock)
    select ${sku}, ${name}, ${description}, ${currency}, ${price.toString()}::bigint, ${stock.toString()}::bigint from request
    on conflict (sku) do update set name = excluded.name, description = excluded.description, price = excluded.price, update_time = now()
      where products.currency = excluded.currency
    returning sku`;
  return rows.length > 0;
}

/**
 * Adds to the stock; a stock that would fall below 0 violates `products_stock_not_negative`, and
 * nothing is written.
 */
export async function adjustStock(
  sql: Sql,
  request: RequestRecord,
  sku: string,
  delta: bigint,
): Promise<boolean> {
  const rows = await sql`
    with request as (${useRequest(sql, request, sql`products where sku = ${sku}`)})
    update products set stock = stock + ${delta.toString()}::bigint, update_time = now()
    from request where sku = request.resource_id
    returning sku`;
  return rows.length > 0;
}

export async function findProducts(sql: Sql, skus: readonly string[]): Promise<readonly Product[]> {
  return sql<
    Product[]
  >`select * from products where sku in (select jsonb_array_elements_text(${sql.json(skus as string[])}))`;
}

export async function listProducts(
  sql: Sql,
  after: string | undefined,
  limit: number,
): Promise<readonly Product[]> {
  return sql<
    Product[]
  >`select * from products where sku > ${after ?? ""} order by sku limit ${limit}`;
}
