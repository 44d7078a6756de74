import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { readEnv } from "@tercet/service";

/** Where a program is: in a folder of PATH. Undefined when it is not there. */
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
