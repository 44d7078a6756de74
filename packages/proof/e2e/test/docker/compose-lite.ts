import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "@tercet/cli";
import { type Engine, makePostgresImage } from "@tercet/cluster";
import type { ComposeFile } from "./compose.ts";

/**
 * Makes images with the names of those that cannot be pulled: PostgreSQL from the embedded
 * binaries, with what the entry point of its own image does, and Node for Kong.
 */
export async function makeStandIns(
  engine: Engine,
  { services }: ComposeFile,
  base: string,
  scratch: string,
): Promise<void> {
  await makePostgresImage(engine, services["postgres"]?.image ?? "", scratch);

  const kong = join(scratch, "kong");
  await mkdir(kong);
  const health = "#!/bin/sh\nexec node --eval \"fetch('http://127.0.0.1:8000/')\"\n";
  await writeFile(join(kong, "kong"), health, { mode: 0o755 });
  const { code, said } = await engine.docker(
    ["build", "--tag", services["kong"]?.image ?? "", "--file", "-", "."],
    { cwd: kong, input: `FROM ${base}\nCOPY kong /usr/local/bin/kong\n` },
  );
  if (code !== 0) throw new Error(said);
}

/**
 * Returns what is merged over infra/compose.yaml with the stand-ins: without MongoDB, payments in
 * PostgreSQL; our edge is started in Kong's container. Docker before 25.0 refuses start_interval.
 */
export function overrideOf({ services }: ComposeFile): string {
  const changes: Readonly<Record<string, string>> = {
    mongodb: "    profiles: !override [never]\n",
    payment: `    environment:
      DATABASE_URL: postgres://payments:\${PAYMENT_DATABASE_PASSWORD}@postgres:5432/payments
    depends_on: !override
      postgres: { condition: service_healthy }
      identity: { condition: service_healthy }
`,
    kong: `    entrypoint: [node, --conditions=source, ${import.meta.dirname}/stand-in-kong.ts]
    volumes: ["${ROOT}:${ROOT}:ro"]
`,
  };
  const lite = Object.keys(services).filter((name) => services[name]?.profiles?.includes("lite"));
  const each = lite.map(
    (name) =>
      `  ${name}:\n    healthcheck: { start_interval: !reset null }\n${changes[name] ?? ""}`,
  );
  return `services:\n${each.join("")}`;
}
