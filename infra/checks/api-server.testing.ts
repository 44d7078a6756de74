import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryFolder } from "@tercet/cli/repository";
import type { K8sObject } from "./k8s-objects.ts";

/** A Kubernetes API server of its own, with etcd; no node and no controller. */
export interface ApiServer extends AsyncDisposable {
  /** For helm. */
  readonly options: readonly string[];
  /**
   * Applies an object on the server's side. Returns the server's message and warnings, none if it
   * is accepted.
   */
  apply(object: K8sObject, how: "stored" | "dry run"): Promise<string[]>;
}

interface Reply {
  readonly status: number;
  readonly warnings: readonly string[];
  readonly body: { readonly message?: string; readonly resources?: readonly Resource[] };
}

interface Resource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

const HOST = "127.0.0.1";
const START_LIMIT_MS = 60_000;

/** Starts both on free ports. Throws with what they wrote if they do not become ready. */
export async function startApiServer(
  freePort: () => Promise<number>,
  namespace: string,
): Promise<ApiServer> {
  const folder = await temporaryFolder("api-server");
  const at = (name: string) => join(folder.path, name);
  const token = randomBytes(16).toString("hex");
  const [client, peer, secure] = [await freePort(), await freePort(), await freePort()];
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  await writeFile(at("key.pem"), privateKey.export({ type: "sec1", format: "pem" }));
  await writeFile(at("public.pem"), publicKey.export({ type: "spki", format: "pem" }));
  await writeFile(at("tokens.csv"), `${token},admin,1,system:masters\n`, { mode: 0o600 });
  const url = (port: number) => `http://${HOST}:${port}`;
  const said: string[] = [];
  const children = [
    start(said, "etcd", [
      `--data-dir=${at("etcd")}`,
      ...[`--listen-client-urls=${url(client)}`, `--advertise-client-urls=${url(client)}`],
      ...[`--listen-peer-urls=${url(peer)}`, `--initial-advertise-peer-urls=${url(peer)}`],
      `--initial-cluster=default=${url(peer)}`,
    ]),
    start(said, "kube-apiserver", [
      `--etcd-servers=${url(client)}`,
      ...[`--bind-address=${HOST}`, `--secure-port=${secure}`, `--cert-dir=${folder.path}`],
      ...[`--token-auth-file=${at("tokens.csv")}`, "--authorization-mode=RBAC"],
      `--service-account-key-file=${at("public.pem")}`,
      `--service-account-signing-key-file=${at("key.pem")}`,
      "--service-account-issuer=https://kubernetes.default.svc",
      "--service-cluster-ip-range=10.96.0.0/16",
    ]),
  ];
  const stop = async () => {
    for (const child of children.reverse()) await ended(child);
    await folder[Symbol.asyncDispose]();
  };
  const certificate = () => readFile(at("apiserver.crt"), "utf8");
  const call = async (method: string, path: string, body?: object): Promise<Reply> =>
    await send({ port: secure, method, path, token, ca: await certificate() }, body);
  try {
    const deadline = Date.now() + START_LIMIT_MS;
    while ((await call("GET", "/readyz").catch(() => undefined))?.status !== 200) {
      if (Date.now() > deadline || children.some(({ exitCode }) => exitCode !== null))
        throw new Error(`the API server did not start:\n${said.join("").slice(-4_000)}`);
      await sleep(200);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const resources = new Map<string, readonly Resource[]>();
  return {
    options: [
      `--kube-apiserver=https://${HOST}:${secure}`,
      ...[`--kube-token=${token}`, `--kube-ca-file=${at("apiserver.crt")}`],
    ],
    apply: async ({ ...object }, how) => {
      const group = object.apiVersion.includes("/") ? "apis" : "api";
      const base = `/${group}/${object.apiVersion}`;
      const known = resources.get(base) ?? (await call("GET", base)).body.resources ?? [];
      if (known.length > 0) resources.set(base, known);
      const resource = known.find(({ kind, name }) => kind === object.kind && !name.includes("/"));
      if (resource === undefined) return [`there is no ${object.kind} of ${object.apiVersion}`];
      const scope = resource.namespaced ? `/namespaces/${namespace}` : "";
      const query = `fieldManager=test&force=true&fieldValidation=Strict${how === "dry run" ? "&dryRun=All" : ""}`;
      const path = `${base}${scope}/${resource.name}/${object.metadata.name}?${query}`;
      const { status, warnings, body } = await call("PATCH", path, object);
      return [...(status < 300 ? [] : [body.message ?? `status ${status}`]), ...warnings];
    },
    [Symbol.asyncDispose]: stop,
  };
}

function start(said: string[], program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  child.on("error", (error) => said.push(error.message));
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => void said.push(String(chunk)));
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, "close");
  child.kill("SIGKILL");
  await closed;
}

interface Call {
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly token: string;
  readonly ca: string;
}

async function send({ token, ...call }: Call, body?: object): Promise<Reply> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body !== undefined && { "content-type": "application/apply-patch+yaml" }),
  };
  const outgoing = request({ ...call, host: HOST, headers, timeout: 30_000 });
  outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = await once(outgoing, "response");
  const text = Buffer.concat(await response.toArray()).toString();
  // 299 - "would violate PodSecurity ..."
  const warnings = String(response.headers.warning ?? "");
  return {
    status: response.statusCode,
    warnings: warnings === "" ? [] : [warnings],
    body: text.startsWith("{") ? JSON.parse(text) : {},
  };
}
