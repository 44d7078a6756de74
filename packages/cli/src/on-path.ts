import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { readEnv } from "@tercet/service/config";

/** Returns the path of a program in a folder of PATH; undefined if it is in none. */
export async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (readEnv()["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, name);
    if (await isProgram(path)) return path;
  }
  return undefined;
}

/** Chromium without a window, if there is one, as it draws less; undefined without any. */
export const chromiumOnPath = async (): Promise<string | undefined> =>
  (await onPath("chromium-headless-shell")) ?? (await onPath("chromium"));

const isProgram = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
