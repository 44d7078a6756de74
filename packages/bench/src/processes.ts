import type { Stack } from "@tercet/stack";

/** The processes of the services that run. */
export const servicePids = ({ services }: Stack): number[] => Object.values(services).flatMap(({ pid }) => pid ?? []);

export function signalAll(pids: readonly number[], signal: "SIGSTOP" | "SIGCONT"): void {
  for (const pid of pids) process.kill(pid, signal);
}
