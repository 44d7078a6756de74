import { type ChildProcess, execFile } from "node:child_process";
import { chown, cp, link, mkdir, readFile, realpath, rename, symlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "@tercet/cli";
import { networkEnv } from "../network-env.ts";
import {
  assignments,
  execForm,
  expand,
  type Instruction,
  parseDockerfile,
  withoutIgnored,
} from "./dockerfile.ts";
import { type Sandbox, startInSandbox } from "./sandbox.ts";

const run = promisify(execFile);

export const DOCKERFILE = "infra/docker/Dockerfile";
export const CONSOLE_DOCKERFILE = "infra/docker/console.Dockerfile";

/** The result of a Dockerfile: the folder that a container sees as "/", and how it is started. */
export interface Image {
  readonly root: string;
  /** Whether nothing is in it but what the Dockerfile puts there: `FROM scratch`. */
  readonly fromScratch: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
}

interface Build {
  /** An empty folder. */
  readonly scratch: string;
  readonly dockerfile?: string;
  /** The value of SERVICE for each image; of a Dockerfile without it, the image's one name. */
  readonly services: readonly string[];
  /** The folder of the host behind each cache mount, by its path; later builds reuse it. */
  readonly caches: Readonly<Record<string, string>>;
}

/**
 * Runs the Dockerfile step by step: what comes before `ARG SERVICE` once, as in an engine's cache,
 * the rest for each service. This machine's system and the pinned Node replace its base image.
 */
export async function buildImages({
  scratch,
  dockerfile = DOCKERFILE,
  services,
  caches,
}: Build): Promise<Image[]> {
  const [first, last] = parseDockerfile(await readFile(join(ROOT, dockerfile), "utf8"));
  if (first?.name === undefined || last === undefined)
    throw new Error("the Dockerfile has not the two stages that this knows");
  const argument = first.instructions.findIndex(
    ({ keyword, rest }) => keyword === "ARG" && rest === "SERVICE",
  );
  const shared = argument < 0 ? first.instructions.length : argument;
  const stage = await Layer.of(join(scratch, first.name));
  await giveSystem(stage);
  for (const instruction of first.instructions.slice(0, shared))
    await buildStep(stage, instruction, caches);
  const images: Image[] = [];
  for (const service of services) {
    stage.given = { SERVICE: service };
    for (const instruction of first.instructions.slice(shared))
      await buildStep(stage, instruction, caches);
    const image = await Layer.of(join(scratch, service), stage.given);
    for (const instruction of last.instructions)
      await imageStep(image, instruction, { [first.name]: stage });
    images.push({ ...image.finished(), fromScratch: last.from === "scratch" });
  }
  return images;
}

/** A stage under construction. */
class Layer {
  readonly root: string;
  /** Build arguments. */
  given: Readonly<Record<string, string>>;
  readonly #args: Record<string, string> = {};
  readonly env: Record<string, string> = {};
  readonly labels: Record<string, string> = {};
  workdir = "/";
  user = { uid: 0, gid: 0 };
  entrypoint: string[] = [];
  cmd: string[] = [];

  private constructor(root: string, given: Readonly<Record<string, string>>) {
    this.root = root;
    this.given = given;
  }

  static async of(root: string, given: Readonly<Record<string, string>> = {}): Promise<Layer> {
    await mkdir(root, { recursive: true });
    return new Layer(root, given);
  }

  get variables(): Record<string, string> {
    return { ...this.#args, ...this.env };
  }

  /** On the host. */
  at(path: string): string {
    return join(this.root, resolve(this.workdir, path));
  }

  /**
   * Applies an instruction that configures later steps or the container. Returns false for any
   * other.
   */
  async configure({ keyword, rest }: Instruction): Promise<boolean> {
    const text = expand(rest, this.variables);
    if (keyword === "ARG") {
      const [name = "", fallback] = text.split("=");
      const value = this.given[name] ?? fallback;
      if (value !== undefined) this.#args[name] = value;
    } else if (keyword === "ENV") Object.assign(this.env, Object.fromEntries(assignments(text)));
    else if (keyword === "LABEL") Object.assign(this.labels, Object.fromEntries(assignments(text)));
    else if (keyword === "WORKDIR") {
      this.workdir = resolve(this.workdir, text);
      await mkdir(join(this.root, this.workdir), { recursive: true });
    } else if (keyword === "USER") this.user = owner(text);
    else if (keyword === "ENTRYPOINT") this.entrypoint = execForm(rest) ?? [];
    else if (keyword === "CMD") this.cmd = execForm(rest) ?? [];
    else return false;
    return true;
  }

  finished(): Omit<Image, "fromScratch"> {
    const { root, env, labels, workdir, user, entrypoint, cmd } = this;
    return { root, env, labels, workdir, user, entrypoint, cmd };
  }
}

function owner(text: string): { uid: number; gid: number } {
  const [uid, gid] = text.split(":").map(Number);
  // A name would have to be looked up in the image, and Kubernetes cannot verify that it is not
  // root.
  if (!Number.isInteger(uid) || !Number.isInteger(gid))
    throw new Error(`"${text}" is not a number of a user and one of a group`);
  return { uid: uid ?? 0, gid: gid ?? 0 };
}

/** Debian's folders, Node, npm, and this machine's settings of registries. */
async function giveSystem({ root }: Layer): Promise<void> {
  for (const folder of ["bin", "lib", "lib64", "sbin"])
    await symlink(`usr/${folder}`, join(root, folder));
  const npm = dirname(dirname(await realpath((await run("which", ["npm"])).stdout.trim())));
  const local = usrLocal(root);
  await mkdir(join(local, "bin"), { recursive: true });
  await link(process.execPath, join(local, "bin/node")).catch(() =>
    cp(process.execPath, join(local, "bin/node")),
  );
  // Visible in the sandbox too, like all of /usr.
  await mkdir(join(local, "lib/node_modules"), { recursive: true });
  await symlink(npm, join(local, "lib/node_modules/npm"));
  await symlink("../lib/node_modules/npm/bin/npm-cli.js", join(local, "bin/npm"));
  await mkdir(join(root, "root"));
  await cp(join(process.env["HOME"] ?? "/", ".npmrc"), join(root, "root/.npmrc")).catch(() => {});
}

/** Next to the root, where the machine's own /usr will be mounted over it. */
const usrLocal = (root: string): string => `${root}.usr-local`;

async function buildStep(
  layer: Layer,
  instruction: Instruction,
  caches: Readonly<Record<string, string>>,
): Promise<void> {
  if (await layer.configure(instruction)) return;
  if (instruction.keyword === "COPY") return await copyContext(layer, instruction);
  const command = expand(instruction.rest, layer.variables);
  const { target } = Object.fromEntries(
    assignments(instruction.flags["mount"]?.replaceAll(",", " ") ?? ""),
  );
  const cache = target === undefined ? undefined : caches[target];
  const child = await startInSandbox(
    {
      root: layer.root,
      readOnly: { "/usr": "/usr", "/etc": "/etc" },
      writable: {
        "/usr/local": usrLocal(layer.root),
        ...(target !== undefined && cache !== undefined && { [target]: cache }),
      },
      readOnlyRoot: false,
      user: layer.user,
      workdir: layer.workdir,
      // Some distributions change npm's own setting.
      env: { HOME: "/root", npm_config_prefix: "/usr/local", ...networkEnv(), ...layer.env },
    },
    ["sh", "-c", command],
  );
  const { code, said } = await finished(child);
  if (code !== 0) throw new Error(`RUN ${command}\n${said}`);
}

/**
 * The files that git knows, without those that .dockerignore excludes: the context of a build in
 * CI.
 */
async function copyContext(layer: Layer, { rest, flags }: Instruction): Promise<void> {
  const [from = "", to = ""] = rest.split(/\s+/);
  if (Object.keys(flags).length > 0) throw new Error(`COPY ${rest}: a flag that is not known`);
  const { stdout } = await run(
    "git",
    ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"],
    { cwd: ROOT },
  );
  const files = withoutIgnored(
    stdout.split("\0").filter(Boolean),
    await readFile(join(ROOT, ".dockerignore"), "utf8"),
  );
  const wanted = from === "." ? files : files.filter((file) => file === from);
  if (wanted.length === 0) throw new Error(`COPY ${rest}: there is no such file in the context`);
  const folder = layer.at(to);
  for (const file of wanted)
    await cp(join(ROOT, file), join(folder, file), { preserveTimestamps: true });
}

async function imageStep(
  layer: Layer,
  instruction: Instruction,
  stages: Readonly<Record<string, Layer>>,
): Promise<void> {
  if (await layer.configure(instruction)) return;
  const { keyword, flags, rest } = instruction;
  // Nothing of the base image is here that could be removed.
  if (keyword === "RUN" && rest.startsWith("rm -rf /usr/local/")) return;
  if (keyword !== "COPY") throw new Error(`${keyword} ${rest}: the image's own stage only copies`);
  const { from, chown: to, ...others } = flags;
  if (from === undefined) return await copyContext(layer, instruction);
  if (Object.keys(others).length > 0) throw new Error(`COPY ${rest}: a flag that is not known`);
  const [source = "", target = ""] = rest.split(/\s+/);
  const stage = stages[from];
  if (stage === undefined) throw new Error(`COPY --from=${from}: there is no such stage`);
  // Moved, not copied: it has thousands of files, and the next service makes its own.
  await mkdir(dirname(layer.at(target)), { recursive: true });
  await rename(stage.at(source), layer.at(target));
  if (to === undefined) return;
  const { uid, gid } = owner(to);
  await chown(layer.at(target), uid, gid);
}

export interface RunOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Instead of the image's CMD. */
  readonly args?: readonly string[];
  /**
   * Folders of the host by path. Like an engine's new volume, each gets the owner of the image's
   * folder at that path.
   */
  readonly volumes?: Readonly<Record<string, string>>;
}

/**
 * Starts a container: the image's root, read-only. An image of Node's gets this system's libraries,
 * Node, and no other program; one from scratch nothing.
 */
export async function runImage(
  image: Image,
  { env, args = image.cmd, volumes = {} }: RunOptions,
): Promise<ChildProcess> {
  if (!image.fromScratch)
    for (const folder of ["lib", "lib64"])
      await symlink(`usr/${folder}`, join(image.root, folder)).catch(ifThere);
  const sandbox: Sandbox = {
    root: image.root,
    readOnly: image.fromScratch
      ? {}
      : {
          "/usr/lib": "/usr/lib",
          "/usr/lib64": "/usr/lib64",
          "/etc/hosts": "/etc/hosts",
          "/usr/local/bin/node": process.execPath,
        },
    writable: volumes,
    readOnlyRoot: true,
    user: image.user,
    workdir: image.workdir,
    env: { ...image.env, ...env },
  };
  return await startInSandbox(sandbox, [...image.entrypoint, ...args]);
}

function ifThere(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error;
}

export interface Finished {
  readonly code: number | null;
  readonly said: string;
}

/** Waits until it ends. */
export async function finished(child: ChildProcess): Promise<Finished> {
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk) => void said.push(String(chunk)));
  const code = await new Promise<number | null>((done, fail) =>
    child.once("close", done).once("error", fail),
  );
  return { code, said: said.join("") };
}
