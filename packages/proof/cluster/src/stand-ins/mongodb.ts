/**
 * What the start script of MongoDB's own image does, where that cannot be pulled: at the first
 * start a root user is made, and from then on users are asked for.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { MongoClient } from "mongodb";

const DATA = "/data/db";
const [program = "mongod", ...args] = process.argv.slice(2);
const { MONGO_INITDB_ROOT_USERNAME: user = "", MONGO_INITDB_ROOT_PASSWORD: pwd = "" } = process.env;

const start = (...options: string[]): ChildProcess =>
  spawn(program, options, { stdio: ["ignore", "ignore", "inherit"] });

if (!existsSync(`${DATA}/WiredTiger`)) {
  // Its port is open to this container alone until it is complete.
  const first = start("--bind_ip", "127.0.0.1");
  const client = await MongoClient.connect("mongodb://127.0.0.1/admin");
  await client.db("admin").command({ createUser: user, pwd, roles: ["root"] });
  await client.close();
  first.kill("SIGTERM");
  await once(first, "exit");
}
const server = start(...args, "--auth");
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => server.kill(signal));
const [code] = await once(server, "exit");
process.exit(code ?? 1);
