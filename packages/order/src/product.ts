export interface Product {
  readonly sku: string;
  readonly name: string;
  readonly description: string;
  readonly currency: string;
  /** For one piece, in the currency's minor unit. */
  readonly price: bigint;
  /** Pieces that can still be sold. */
  readonly stock: bigint;
  readonly updateTime: Date;
}
