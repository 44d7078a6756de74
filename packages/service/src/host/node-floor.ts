import { StartError } from "../config.ts";

/** Before it, requests can stop the event loop or the process (CVE-2026-21714, CVE-2026-21717). */
const FLOOR = [24, 14, 1] as const;

/** Throws StartError if this version of Node has known faults that a request can use. */
export function requireNode(version = process.versions.node): void {
  const parts = version.split(".").map(Number);
  const at = FLOOR.findIndex((part, index) => parts[index] !== part);
  if (at < 0 || (parts[at] ?? 0) > (FLOOR[at] ?? 0)) return;
  throw new StartError(
    `Node ${version} is too old: requests can stop it; run this service with Node ${FLOOR.join(".")} or later`,
  );
}
