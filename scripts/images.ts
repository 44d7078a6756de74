/** `pnpm images`: builds the images with a container engine, and tries them. */

import { ROOT, scriptArguments } from "@tercet/cli/repository";
import { execa } from "execa";

const usage = `Usage: pnpm images

Builds the images of the services and of the console with infra/docker's Dockerfiles, and runs them
as Compose and the charts do: read-only, without root, capabilities and new privileges. Places an
order through them, probes and drains them. Then Compose brings up infra/compose.yaml, lite.

The engine is Docker, as it runs on this machine; else one is started for the time of the command,
which needs root and dockerd (Debian: apt-get install docker.io iptables). Compose is used with the
latter only, in a network of its own; docker-compose comes from "pnpm tools docker-compose".

Where no registry can be reached: the base image is made of Debian's packages and the pinned Node;
in Compose, PostgreSQL's embedded binaries and our edge replace the images of PostgreSQL and Kong,
and payments are in PostgreSQL. The output says so.

Nothing is left behind. To keep images: docker build, as infra/docker/Dockerfile says.
`;

const TEST = "packages/proof/e2e/test/image.test.ts";

scriptArguments(usage, {});
const options = { cwd: ROOT, stdio: "inherit", preferLocal: true, reject: false } as const;
const built = await execa("node", ["scripts/run.ts"], options);
const tried =
  built.exitCode === 0
    ? await execa("vitest", ["run", "--project", "delivery", TEST], options)
    : built;
process.exitCode = tried.exitCode ?? 1;
