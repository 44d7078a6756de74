/**
 * The device tokens that Login returned in this browser, by email address, also after a sign-out.
 * The next Login sends it, so that guessing by others does not delay this browser. It grants
 * nothing.
 */
const DEVICES = "tercet.devices";
/** Addresses that are kept: the last ones that signed in. */
const MOST_DEVICES = 8;

type Store = Pick<Storage, "getItem" | "setItem">;

/** Returns the device token of an email address; "" if there is none. */
export function deviceToken(email: string, store: Store = localStorage): string {
  return new Map(devices(store)).get(normalized(email)) ?? "";
}

export function keepDeviceToken(email: string, token: string, store: Store = localStorage): void {
  const others = devices(store).filter(([known]) => known !== normalized(email));
  const kept = [...others, [normalized(email), token]].slice(-MOST_DEVICES);
  store.setItem(DEVICES, JSON.stringify(kept));
}

/** Identity compares addresses case-insensitively. */
const normalized = (email: string): string => email.trim().toLowerCase();

function devices(store: Store): (readonly [email: string, token: string])[] {
  try {
    const stored: unknown = JSON.parse(store.getItem(DEVICES) ?? "[]");
    return Array.isArray(stored) ? stored.filter(isDevice) : [];
  } catch {
    return [];
  }
}

const isDevice = (value: unknown): value is readonly [string, string] =>
  Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "string");
