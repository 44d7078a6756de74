import { type ChildProcess, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError, freePort, LOOPBACK, onPath } from "@tercet/cli";
import { type Document, MongoClient } from "mongodb";

export interface MongoSetOptions {
  /** For the members' files and logs. */
  readonly folder: string;
  /** The path of a `mongod`. */
  readonly program: string;
}

const NAME = "rs0";
const MEMBERS = 3;
/** How long the others wait for a silent primary before they elect one of them. */
const ELECTION_MS = 2_000;
const HEARTBEAT_MS = 500;
const REPLY_MS = 1_000;
const COMMAND_MS = 10_000;
const BETWEEN_LOOKS_MS = 100;
const READY_MS = 60_000;
const WORKING: ReadonlySet<unknown> = new Set(["PRIMARY", "SECONDARY"]);

/** One `mongod` of a replica set; its files outlive its process. */
export class MongoMember {
  readonly port: number;
  readonly #start: () => ChildProcess;
  #process: ChildProcess;

  constructor(port: number, start: () => ChildProcess) {
    this.port = port;
    this.#start = start;
    this.#process = start();
  }

  /** Kills the process, and waits until it has ended. */
  async kill(): Promise<void> {
    if (this.#hasEnded) return;
    const ended = new Promise((resolve) => this.#process.once("close", resolve));
    this.#process.kill("SIGKILL");
    await ended;
  }

  /** Starts it again on its files. */
  start(): void {
    if (this.#hasEnded) this.#process = this.#start();
  }

  /** It keeps its connections, and does not respond. */
  freeze(): void {
    this.#process.kill("SIGSTOP");
  }

  resume(): void {
    this.#process.kill("SIGCONT");
  }

  /** Runs a command on this member alone. Rejects if it cannot be reached in a second. */
  async run(command: Document): Promise<Document> {
    const client = new MongoClient(`mongodb://${LOOPBACK}:${this.port}/?directConnection=true`, {
      serverSelectionTimeoutMS: REPLY_MS,
      connectTimeoutMS: REPLY_MS,
      socketTimeoutMS: COMMAND_MS,
    });
    try {
      return await client.db("admin").command(command);
    } finally {
      await client.close();
    }
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }
}

/** A replica set of three real MongoDB servers on this machine, which can be killed and frozen. */
export class MongoSet implements AsyncDisposable {
  readonly members: readonly MongoMember[];

  private constructor(members: readonly MongoMember[]) {
    this.members = members;
  }

  /** Starts it, and waits for a primary. Throws CommandError if there is none in a minute. */
  static async start({ folder, program }: MongoSetOptions): Promise<MongoSet> {
    const members: MongoMember[] = [];
    for (let index = 0; index < MEMBERS; index++) {
      const port = await freePort();
      const files = join(folder, `mongodb-${index}`);
      await mkdir(files, { recursive: true });
      const start = await starter(program, port, files);
      members.push(new MongoMember(port, start));
    }
    const set = new MongoSet(members);
    try {
      await set.#initiate();
      await set.whole();
      await set.checkpoint();
    } catch (error) {
      await set[Symbol.asyncDispose]();
      throw error;
    }
    return set;
  }

  /** Returns the URL of a database, with every member in it. */
  url(database: string): string {
    const hosts = this.members.map(({ port }) => `${LOOPBACK}:${port}`);
    return `mongodb://${hosts.join(",")}/${database}?replicaSet=${NAME}`;
  }

  /** Resolves to the member that takes writes, as soon as there is one. */
  async primary(): Promise<MongoMember> {
    return await this.#until("primary", async () => {
      const replies = await Promise.all(
        this.members.map(async (member) => {
          const { isWritablePrimary } = await quietly(member, { hello: 1 });
          return { member, isPrimary: isWritablePrimary === true };
        }),
      );
      const found = replies.filter(({ isPrimary }) => isPrimary);
      // For a moment a former one may not know that there is another.
      return found.length === 1 ? found[0]?.member : undefined;
    });
  }

  /** Resolves when every member serves or follows. */
  async whole(): Promise<void> {
    await this.#until("whole set", async () => {
      const { members = [] } = await quietly(await this.primary(), { replSetGetStatus: 1 });
      const states = (members as { stateStr: string }[]).map(({ stateStr }) => stateStr);
      return (
        (states.length === MEMBERS && states.every((state) => WORKING.has(state))) || undefined
      );
    });
  }

  /**
   * Writes what the members have to their files. A member that is killed in its first seconds may
   * not be able to start again; in these it also refuses to do this.
   */
  async checkpoint(): Promise<void> {
    const written = (member: MongoMember) => async () =>
      (await quietly(member, { fsync: 1 }))["ok"] as unknown;
    for (const member of this.members) await this.#until("checkpoint", written(member));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
  }

  async #initiate(): Promise<void> {
    const [first] = this.members;
    const members = this.members.map(({ port }, _id) => ({ _id, host: `${LOOPBACK}:${port}` }));
    const settings = { electionTimeoutMillis: ELECTION_MS, heartbeatIntervalMillis: HEARTBEAT_MS };
    const config = { _id: NAME, members, settings };
    for (const member of this.members)
      await this.#until("server", async () => (await quietly(member, { ping: 1 }))["ok"]);
    await first?.run({ replSetInitiate: config });
  }

  async #until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + READY_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (performance.now() > deadline)
        throw new CommandError(`MongoDB: no ${what} in ${READY_MS / 1_000} s`);
      await sleep(BETWEEN_LOOKS_MS);
    }
  }
}

/** The reply is empty while the member does not respond. */
const quietly = (member: MongoMember, command: Document): Promise<Document> =>
  member.run(command).catch(() => ({}));

async function starter(program: string, port: number, files: string): Promise<() => ChildProcess> {
  const args = ["--port", String(port), "--bind_ip", LOOPBACK, "--dbpath", files];
  const small = ["--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64", "--nounixsocket"];
  const log = ["--logpath", join(files, "mongod.log"), "--logappend"];
  const all = [...args, "--replSet", NAME, ...small, ...log];
  // It ends with this process, even if that is killed.
  const guard = await onPath("setpriv");
  const [command, ...before] =
    guard === undefined ? [program] : [guard, "--pdeathsig", "KILL", program];
  return () => spawn(command ?? program, [...before, ...all], { stdio: "ignore" });
}
