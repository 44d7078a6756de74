import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { ROOT } from "@tercet/cli";
import { grpcCode } from "./grpc-code.ts";
import { type CallOptions, type Json, jsonShop, type Wire } from "./json-shop.ts";
import { CallFailure, collect, type ShopClient, type Targets } from "./shop.ts";

const SOURCE = join(import.meta.dirname, "go");
const PROGRAM = join(SOURCE, "gen/client");

/**
 * Generates Go from the contracts and compiles the client, both in a folder that git ignores;
 * resolves to the program's path.
 */
export async function buildGoClient(): Promise<string> {
  const run = (tool: string, ...args: string[]) => promisify(execFile)(tool, args, { cwd: SOURCE });
  await run(join(ROOT, "node_modules/.bin/buf"), "generate");
  await run("go", "build", "-o", PROGRAM, ".");
  return PROGRAM;
}

/**
 * grpc-go with the code that protoc-gen-go and protoc-gen-go-grpc generate: one process for all
 * calls, a line for each.
 */
export function goClient(program: string, targets: Targets): ShopClient {
  const hosts = [targets.identity, targets.order, targets.payment].map((url) => new URL(url).host);
  const lines = new Lines(spawn(program, hosts, { stdio: ["pipe", "pipe", "inherit"] }));
  const wire: Wire = {
    unary: async (method, message, options) => {
      const [answer, ...more] = await collect(lines.call(method, message, options));
      if (answer === undefined || more.length > 0)
        throw new Error(`${more.length + 1} answers to one call`);
      return answer;
    },
    async *stream(method, message, options) {
      for await (const answer of lines.call(method, message, options)) yield answer.message;
    },
  };
  return { shop: (token) => jsonShop(wire, token), [Symbol.dispose]: () => lines.end() };
}

interface Answer {
  readonly message: Json;
  readonly replayed: boolean;
}

/** A line of the program's output; see main.go. */
interface Line {
  readonly id: number;
  readonly message?: Json;
  readonly replayed?: boolean;
  readonly error?: { readonly code: number; readonly reason: string; readonly message: string };
  readonly end?: boolean;
}

/** The pending calls of one process, by number. */
class Lines {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #calls = new Map<number, ReadableStreamDefaultController<Line>>();
  #last = 0;

  constructor(process: ChildProcessByStdio<Writable, Readable, null>) {
    this.#process = process;
    createInterface({ input: process.stdout }).on("line", (text) => this.#take(JSON.parse(text)));
    process.once("close", () => {
      for (const call of this.#calls.values()) call.error(new Error("the Go client has ended"));
    });
  }

  async *call(
    method: string,
    message: Json,
    { token, timeoutMs }: CallOptions,
  ): AsyncGenerator<Answer> {
    const id = ++this.#last;
    const answers = new ReadableStream<Line>({
      start: (controller) => void this.#calls.set(id, controller),
    });
    this.#process.stdin.write(`${JSON.stringify({ id, method, message, token, timeoutMs })}\n`);
    for await (const { message: answer = {}, replayed = false, error, end } of answers) {
      if (error !== undefined)
        throw new CallFailure(grpcCode(error.code), error.reason || undefined, error.message);
      if (end !== true) yield { message: answer, replayed };
    }
  }

  #take(line: Line): void {
    const call = this.#calls.get(line.id);
    call?.enqueue(line);
    if (line.end !== true) return;
    this.#calls.delete(line.id);
    call?.close();
  }

  end(): void {
    this.#process.stdin.end();
  }
}
