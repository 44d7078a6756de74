import { createHash } from "node:crypto";

/** What a user may be; "service" is the role of a program and never of a user. */
export const userRoles = ["customer", "operator", "admin"] as const;
export type UserRole = (typeof userRoles)[number];

export interface User {
  /** UUIDv7. */
  readonly id: string;
  /** Normalised, see `normalizeEmail`. */
  readonly email: string;
  readonly displayName: string;
  readonly roles: readonly UserRole[];
  readonly createTime: Date;
}

/**
 * Two spellings that look alike are one account: lower case, then NFC, because lower case can leave
 * a letter decomposed.
 */
export const normalizeEmail = (email: string): string => email.toLowerCase().normalize("NFC");

/**
 * Stands for an email address where the address itself would be personal data kept without need:
 * SHA-256, in hex.
 */
export const accountKey = (email: string): string =>
  createHash("sha256").update(normalizeEmail(email)).digest("hex");
