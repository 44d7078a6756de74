import { useQuery } from "@tanstack/react-query";
import { loadSettings, type Settings } from "./settings.ts";

export function useSettings(): Settings | undefined {
  return useQuery({ queryKey: ["settings"], queryFn: loadSettings, staleTime: Infinity }).data;
}
