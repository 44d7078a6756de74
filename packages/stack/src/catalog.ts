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

const product = (
  sku: string,
  name: string,
  description: string,
  cents: bigint,
  stock: bigint,
): SeedProduct => ({ sku, name, description, cents, stock });

export const seedProducts: readonly SeedProduct[] = [
  product("MUG-BLUE", "Blue mug", "Stoneware, 350 ml.", 1_250n, 500n),
  product("MUG-RED", "Red mug", "Stoneware, 350 ml.", 1_250n, 500n),
  product("COFFEE-1KG", "Coffee beans, 1 kg", "Ethiopia, washed.", 2_890n, 800n),
  product("TEA-SENCHA", "Sencha, 100 g", "First flush.", 1_675n, 400n),
  product("GRINDER", "Hand grinder", "Steel burrs.", 8_900n, 120n),
  product("KETTLE", "Gooseneck kettle", "With thermometer, 0.9 l.", 6_450n, 150n),
  product("SCALE", "Kitchen scale", "To 0.1 g.", 3_999n, 200n),
  product("FILTERS-100", "Paper filters, 100", "Unbleached.", 495n, 2_000n),
  product("TRAVEL-CUP", "Travel cup", "Keeps hot for 6 hours.", 2_450n, 300n),
  product(
    BEYOND_THE_LIMIT,
    "Espresso machine",
    "Two boilers. More than the test card may spend.",
    149_900n,
    10n,
  ),
  product(SCARCE, "Signed print", "An edition of three.", 4_500n, 3n),
  product(SOLD_OUT, "First pressing", "Sold out: an order for it is refunded.", 3_200n, 0n),
];
