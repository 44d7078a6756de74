import { glob } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DescFile, DescMessage } from "@bufbuild/protobuf";
import { ROOT } from "@tercet/cli";

/** Copies of published contracts, which are not ours to hold. */
const published = /^(grpc|buf)\./;

/** Our contracts, as the generated code has them, by package and path. */
export async function contractFiles(): Promise<DescFile[]> {
  const folder = join(ROOT, "gen/src");
  const files: DescFile[] = [];
  for await (const path of glob("**/*_pb.js", { cwd: folder })) {
    const module = (await import(pathToFileURL(join(folder, path)).href)) as Record<
      string,
      unknown
    >;
    files.push(...Object.values(module).filter(isFile));
  }
  return files
    .filter(({ proto }) => !published.test(proto.package))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** With those inside of others; the entries of maps are part of their field. */
export function messagesOf(files: readonly DescFile[]): DescMessage[] {
  const nested = (message: DescMessage): DescMessage[] => [
    message,
    ...message.nestedMessages.flatMap(nested),
  ];
  return files.flatMap(({ messages }) => messages.flatMap(nested));
}

function isFile(value: unknown): value is DescFile {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "file";
}
