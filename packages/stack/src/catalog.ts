/** A product of the seed. Prices are in euro cents. */
export interface SeedProduct {
  readonly sku: string;
  readonly name: string;
  readonly description: string;
  readonly cents: bigint;
  readonly stock: bigint;
}

/** Costs more than the simulated provider approves: 1,000.00. */
export const BEYOND_THE_LIMIT = "ESPRESSO-MACHINE";
/** At most 3 in stock. */
export const SCARCE = "LTD-PRINT";
/** None in stock. */
export const SOLD_OUT = "VINYL-FIRST-PRESS";

export const seedProducts: readonly SeedProduct[] = [
  {
    sku: "MUG-BLUE",
    name: "Blue mug",
    description: "Stoneware, 350 ml.",
    cents: 1_250n,
    stock: 500n,
  },
  {
    sku: "MUG-RED",
    name: "Red mug",
    description: "Stoneware, 350 ml.",
    cents: 1_250n,
    stock: 500n,
  },
  {
    sku: "COFFEE-1KG",
    name: "Coffee beans, 1 kg",
    description: "Ethiopia, washed.",
    cents: 2_890n,
    stock: 800n,
  },
  {
    sku: "TEA-SENCHA",
    name: "Sencha, 100 g",
    description: "First flush.",
    cents: 1_675n,
    stock: 400n,
  },
  { sku: "GRINDER", name: "Hand grinder", description: "Steel burrs.", cents: 8_900n, stock: 120n },
  {
    sku: "KETTLE",
    name: "Gooseneck kettle",
    description: "With thermometer, 0.9 l.",
    cents: 6_450n,
    stock: 150n,
  },
  { sku: "SCALE", name: "Kitchen scale", description: "To 0.1 g.", cents: 3_999n, stock: 200n },
  {
    sku: "FILTERS-100",
    name: "Paper filters, 100",
    description: "Unbleached.",
    cents: 495n,
    stock: 2_000n,
  },
  {
    sku: "TRAVEL-CUP",
    name: "Travel cup",
    description: "Keeps hot for 6 hours.",
    cents: 2_450n,
    stock: 300n,
  },
  {
    sku: BEYOND_THE_LIMIT,
    name: "Espresso machine",
    description: "Two boilers. More than the test card may spend.",
    cents: 149_900n,
    stock: 10n,
  },
  {
    sku: SCARCE,
    name: "Signed print",
    description: "An edition of three.",
    cents: 4_500n,
    stock: 3n,
  },
  {
    sku: SOLD_OUT,
    name: "First pressing",
    description: "Sold out: an order for it is refunded.",
    cents: 3_200n,
    stock: 0n,
  },
];
