/** Prints the methods of our contracts that nobody could call, and fails when there are any. Needs `--conditions=source`, so that nothing has to be built. */
import { glob } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DescService } from "@bufbuild/protobuf";
import { methodsWithoutAccess } from "@tercet/service";
import { root } from "./root.ts";

/** Published contracts, whose methods the host opens by itself. */
const published = /^(grpc|buf)\./;

const services: DescService[] = [];
for await (const path of glob("gen/src/**/*_pb.js", { cwd: root })) {
  const module = (await import(pathToFileURL(join(root, path)).href)) as Record<string, unknown>;
  services.push(...Object.values(module).filter(isService));
}
const ours = services.filter((service) => !published.test(service.typeName));
const undeclared = methodsWithoutAccess(ours);
if (ours.length === 0) process.stdout.write("no service found in gen/src\n");
for (const method of undeclared) process.stdout.write(`${method} does not declare (common.v1.access)\n`);
process.exitCode = ours.length > 0 && undeclared.length === 0 ? 0 : 1;

function isService(value: unknown): value is DescService {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "service";
}
