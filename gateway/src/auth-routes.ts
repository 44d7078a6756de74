import type { DescMethod } from "@bufbuild/protobuf";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { pathOf } from "./exposure.ts";

const { register, login, refresh, logout, getMe } = IdentityService.method;

export interface AuthRoute {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly rpc: DescMethod;
}

/**
 * Identity as plain HTTP, at the paths of the original system. Request and response bodies are
 * those of the RPC, in JSON.
 */
export const authRoutes: readonly AuthRoute[] = [
  { method: "POST", path: "/auth/register", rpc: register },
  { method: "POST", path: "/auth/login", rpc: login },
  { method: "POST", path: "/auth/refresh", rpc: refresh },
  { method: "POST", path: "/auth/logout", rpc: logout },
  { method: "GET", path: "/auth/me", rpc: getMe },
];

/** The query of a Connect GET with an empty message. */
export const CONNECT_GET: Readonly<Record<string, string>> = {
  connect: "v1",
  encoding: "json",
  message: "{}",
};

/** Returns the path that a request is rewritten to; undefined for other paths. */
export function authTarget(method: string | undefined, path: string): string | undefined {
  const route = authRoutes.find((one) => one.method === method && one.path === path);
  if (route === undefined) return undefined;
  return route.method === "GET"
    ? `${pathOf(route.rpc)}?${new URLSearchParams(CONNECT_GET)}`
    : pathOf(route.rpc);
}
