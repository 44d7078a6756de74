import { glob } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DescFile, DescService } from "@bufbuild/protobuf";
import { ROOT } from "@tercet/cli";

/** Copies of published contracts, which the host implements itself. */
const published = /^(grpc|buf)\./;

/** Resolves to our contracts, as gen/src has them, by name. */
export async function ourContracts(): Promise<DescFile[]> {
  const files: DescFile[] = [];
  for await (const path of glob("gen/src/**/*_pb.js", { cwd: ROOT })) {
    const module = (await import(pathToFileURL(join(ROOT, path)).href)) as Record<string, unknown>;
    files.push(...Object.values(module).filter(isFile));
  }
  return files
    .filter(({ proto }) => !published.test(proto.package))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Resolves to every service of our contracts, by name. */
export async function ourServices(): Promise<DescService[]> {
  const services = (await ourContracts()).flatMap((file) => file.services);
  return services.sort((a, b) => a.typeName.localeCompare(b.typeName));
}

function isFile(value: unknown): value is DescFile {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "file";
}
