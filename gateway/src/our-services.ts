import { glob } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DescService } from "@bufbuild/protobuf";
import { ROOT } from "@tercet/cli";

/** Published contracts, whose methods the host opens by itself. */
const published = /^(grpc|buf)\./;

/** Every service of our contracts, as gen/src has them, by name. */
export async function ourServices(): Promise<DescService[]> {
  const services: DescService[] = [];
  for await (const path of glob("gen/src/**/*_pb.js", { cwd: ROOT })) {
    const module = (await import(pathToFileURL(join(ROOT, path)).href)) as Record<string, unknown>;
    services.push(...Object.values(module).filter(isService));
  }
  return services
    .filter(({ typeName }) => !published.test(typeName))
    .sort((a, b) => a.typeName.localeCompare(b.typeName));
}

function isService(value: unknown): value is DescService {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "service";
}
