import {
  Coffee,
  CupSoda,
  Disc3,
  Filter,
  Image,
  Leaf,
  type LucideIcon,
  Milk,
  Package,
  Scale,
  ThermometerSun,
  Zap,
} from "lucide-react";

const PICTURES: readonly (readonly [RegExp, LucideIcon])[] = [
  [/^MUG/, Coffee],
  [/^COFFEE/, Milk],
  [/^TEA/, Leaf],
  [/^KETTLE/, ThermometerSun],
  [/^SCALE/, Scale],
  [/^FILTER/, Filter],
  [/CUP/, CupSoda],
  [/^ESPRESSO/, Zap],
  [/PRINT/, Image],
  [/VINYL/, Disc3],
];

export function ProductPicture({ sku }: { readonly sku: string }) {
  const Icon = PICTURES.find(([pattern]) => pattern.test(sku))?.[1] ?? Package;
  return (
    <span className="picture" data-hue={hueOf(sku)} aria-hidden>
      <Icon size={32} strokeWidth={1.4} />
    </span>
  );
}

const HUES = ["indigo", "sand", "sage", "rose", "sky"] as const;

/** The same picture for a product each time. */
function hueOf(sku: string): (typeof HUES)[number] {
  if (/RED/.test(sku)) return "rose";
  if (/BLUE/.test(sku)) return "sky";
  const sum = [...sku].reduce((total, letter) => total * 31 + letter.charCodeAt(0), 7);
  return HUES[Math.abs(sum) % HUES.length] ?? "indigo";
}
