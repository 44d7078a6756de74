import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "@tercet/cli";

/** Packs @tercet/gen as for a registry; resolves to the path of the file. */
export async function packGen(folder: string): Promise<string> {
  const args = ["-y", "pnpm", "pack", "--json", "--pack-destination", folder];
  const { stdout } = await promisify(execFile)("npx", args, { cwd: join(ROOT, "gen") });
  return (JSON.parse(stdout) as { filename: string }).filename;
}
