/** `pnpm new`: writes a working, tested skeleton of a service or of a saga. */

import { ROOT, scriptArguments, services } from "@tercet/cli/repository";
import { execa } from "execa";
import { sagaProblems, writeSaga } from "./new/saga.ts";
import { serviceProblems, writeService } from "./new/service.ts";

const nextPort = Math.max(...services.map(({ port }) => port)) + 1;

const usage = `Usage: pnpm new service NAME [--resource NOUN] [--port N]
       pnpm new saga NAME [--in SERVICE]

Writes a working, tested skeleton, and everything that is generated from it.

  service  proto/NAME/v1 and packages/NAME, with one table and the methods Create and Get; an entry
           in packages/cli/src/services.ts, from which stack, edge, gateway, images, Compose,
           charts and alerts know the service. docs/tutorials/first-service.md continues from here.
  saga     packages/SERVICE/src/NAME-saga.ts with one remote and one local step, its table and its
           test. CONTRIBUTING.md ("A saga") continues from here.

Options:
  --resource NOUN  what the service keeps, in the singular; default: item
  --port N         default: ${nextPort}
  --in SERVICE     the service that runs the saga; default: order
  --help           this
`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = scriptArguments(usage, {
    options: {
      resource: { type: "string", default: "item" },
      port: { type: "string", default: String(nextPort) },
      in: { type: "string", default: "order" },
    },
    allowPositionals: true,
  });
  const [kind, name, ...more] = positionals;
  if (name === undefined || more.length > 0) return refuse(["say what, and one name"]);
  if (kind === "service")
    return await newService({ name, resource: values.resource, port: Number(values.port) });
  if (kind === "saga") return await newSaga({ name, service: values.in });
  return refuse([`there is no template for a ${kind}`]);
}

function refuse(problems: readonly string[]): number {
  process.stderr.write(`${problems.join("\n")}\n\n${usage}`);
  return 2;
}

async function newService(service: Parameters<typeof writeService>[0]): Promise<number> {
  const problems = serviceProblems(service);
  if (problems.length > 0) return refuse(problems);
  const written = await writeService(service);
  const { name } = service;
  // In other processes: the list of services has changed.
  await run("npx", "-y", "pnpm", "install", "--no-frozen-lockfile");
  await run("node", "--conditions=source", "scripts/generate.ts");
  // The stack depends on it now.
  await run("npx", "-y", "pnpm", "install", "--no-frozen-lockfile");
  await run("node", "--conditions=source", "packages/proof/contracts/src/main.ts", "accept");
  await run("biome", "check", "--write", `packages/${name}`, "packages/cli/src/services.ts");
  // Tests start processes, which run what is built.
  await run("node", "scripts/run.ts");
  report(written, [
    `npx -y pnpm vitest run packages/${name}`,
    "npx -y pnpm start",
    "git status shows every file that names it",
  ]);
  return 0;
}

async function newSaga(saga: Parameters<typeof writeSaga>[0]): Promise<number> {
  const problems = await sagaProblems(saga);
  if (problems.length > 0) return refuse(problems);
  const written = await writeSaga(saga);
  const { name, service } = saga;
  await run("biome", "check", "--write", `packages/${service}/src`);
  await run("node", "--conditions=source", "scripts/generate.ts");
  report(written, [
    `npx -y pnpm vitest run packages/${service}/src/${name}-saga.test.ts`,
    `give it a participant, and register it in packages/${service}/src/${service}-service.ts (definitions)`,
  ]);
  return 0;
}

async function run(tool: string, ...args: readonly string[]): Promise<void> {
  await execa(tool, args, {
    ...{ cwd: ROOT, preferLocal: true },
    stdio: ["ignore", "inherit", "inherit"],
  });
}

function report(written: readonly string[], next: readonly string[]): void {
  const files = written.map((path) => `  ${path}`).join("\n");
  process.stdout.write(
    `\nwrote\n${files}\n\nnext\n${next.map((line) => `  ${line}`).join("\n")}\n`,
  );
}
