import { createHash } from "node:crypto";
import type { RoleName } from "@tercet/service";

/** The roles of users. "service" is the role of a service and never of a user. */
export const USER_ROLES = ["customer", "operator", "admin"] as const satisfies RoleName[];
export type UserRole = (typeof USER_ROLES)[number];

export interface User {
  /** UUID version 7. */
  readonly id: string;
  /** As `normalizeEmail` returns it. */
  readonly email: string;
  readonly displayName: string;
  readonly roles: readonly UserRole[];
  readonly createTime: Date;
  /** Undefined while the user is enabled. */
  readonly disableTime?: Date;
  readonly disableReason?: string;
}

/**
 * Returns one spelling for addresses that look alike: lower case, then NFC, because lowering the
 * case can leave a letter decomposed.
 */
export const normalizeEmail = (email: string): string => email.toLowerCase().normalize("NFC");

/**
 * Returns the SHA-256 of an address, in hex: used where storing the address itself would be
 * personal data without need.
 */
export const accountKey = (email: string): string =>
  createHash("sha256").update(normalizeEmail(email)).digest("hex");
