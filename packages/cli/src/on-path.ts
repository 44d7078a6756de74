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

const isProgram = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
