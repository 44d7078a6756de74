import { toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Role } from "@tercet/gen/common/v1/access";
import { TokenResponseSchema } from "@tercet/gen/identity/v1/identity";
import { createApi, type Stack } from "@tercet/stack";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Lab } from "./lab.ts";
import { FAULTS, type LabReport, PROVIDER_MOODS } from "./report.ts";

const BODY_LIMIT = 1_024;
const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;
const WATCHERS = 16;

type Body = Readonly<Record<string, unknown>>;

/** The lab's routes, for pages of the console alone. */
export function labRoutes(app: FastifyInstance, lab: Lab): void {
  void app.register(async (scope) => {
    scope.addContentTypeParser(
      "application/json",
      { parseAs: "string", bodyLimit: BODY_LIMIT },
      (_request, text, done) => {
        try {
          done(null, JSON.parse(String(text)));
        } catch (error) {
          done(Object.assign(error as Error, { statusCode: 400 }));
        }
      },
    );
    scope.addHook("onRequest", async (request, reply) => {
      if (!isOwnPage(request))
        return reply.code(403).send({ message: "only the console's own page may do this" });
      if (lab.stack === undefined)
        return reply.code(503).send({ message: "the system is still starting" });
    });
    watch(scope, lab);
    act(scope, lab);
    operate(scope, lab);
  });
}

/**
 * The lab kills processes and signs users in without a password. Any page that this machine's
 * browser shows could send a request here, so only the console's own may: its address must be a
 * loopback one (another name could be made to resolve to it), and the browser must say that the
 * request is of the same origin.
 */
export function isOwnPage({ headers, method }: Pick<FastifyRequest, "headers" | "method">) {
  const { host = "", origin } = headers;
  if (!LOOPBACK.test(host)) return false;
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin") return false;
  // Browsers send it with every POST, and programs that are none need not be kept out.
  if (origin !== undefined && origin !== `http://${host}`) return false;
  return method === "GET" || (headers["content-type"] ?? "").startsWith("application/json");
}

function watch(scope: FastifyInstance, lab: Lab): void {
  let watchers = 0;
  scope.get("/lab/events", (_request, reply) => {
    if (watchers >= WATCHERS)
      return reply.code(429).send({ message: `${WATCHERS} pages watch the lab already` });
    watchers += 1;
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    const send = (report: LabReport) => {
      // A page that does not read gets the next one.
      if (raw.writableNeedDrain) return;
      raw.write(`data: ${JSON.stringify(report)}\n\n`);
    };
    const unsubscribe = lab.subscribe(send);
    const end = () => void raw.end();
    lab.over.addEventListener("abort", end, { once: true });
    raw.once("close", () => {
      watchers -= 1;
      unsubscribe();
      lab.over.removeEventListener("abort", end);
    });
    const report = lab.report();
    if (report !== undefined) send(report);
    return undefined;
  });
}

function act(scope: FastifyInstance, lab: Lab): void {
  scope.post("/lab/faults", async ({ body }, reply) => {
    const name = FAULTS.find((fault) => fault === bodyOf(body)["name"]);
    if (name === undefined) return refuse(reply, `name must be one of ${FAULTS.join(", ")}`);
    return (await lab.inject(name))
      ? { done: true }
      : reply.code(409).send({ message: "the process is not up" });
  });
  scope.post("/lab/ordering", async ({ body }, reply) => {
    const { on } = bodyOf(body);
    if (typeof on !== "boolean") return refuse(reply, "on must be true or false");
    lab.setOrdering(on);
    return { done: true };
  });
  scope.post("/lab/replica", async ({ body }, reply) => {
    const { on } = bodyOf(body);
    if (typeof on !== "boolean") return refuse(reply, "on must be true or false");
    await lab.setReplica(on);
    return { done: true };
  });
  scope.post("/lab/provider", async ({ body }, reply) => {
    const mood = PROVIDER_MOODS.find((each) => each === bodyOf(body)["mood"]);
    if (mood === undefined)
      return refuse(reply, `mood must be one of ${PROVIDER_MOODS.join(", ")}`);
    await lab.setMood(mood);
    return { done: true };
  });
  scope.post("/lab/sign-in", async ({ body }, reply) => {
    const { stack } = lab;
    const users = Object.entries(stack?.users ?? {});
    const user = users.find(([name]) => name === bodyOf(body)["user"])?.[1];
    if (stack === undefined || user === undefined)
      return refuse(reply, `user must be one of ${users.map(([name]) => name).join(", ")}`);
    const tokens = await createApi(stack.urls.edge).identity.login(user);
    return reply
      .type("application/json")
      .header("cache-control", "no-store")
      .send(toJsonString(TokenResponseSchema, tokens));
  });
}

/** What operators see: their token is asked for, as in the services. */
function operate(scope: FastifyInstance, lab: Lab): void {
  const forOperators = async (request: FastifyRequest, reply: FastifyReply) => {
    const refusal = await operatorProblem(lab.stack, request.headers.authorization);
    if (refusal !== undefined) await reply.code(403).send({ message: refusal });
  };
  scope.get("/lab/money", { preHandler: forOperators }, () => lab.audit());
  scope.get("/lab/workers", { preHandler: forOperators }, () => lab.workers());
}

async function operatorProblem(
  stack: Stack | undefined,
  authorization = "",
): Promise<string | undefined> {
  const refusal = "this is for operators";
  if (stack === undefined || !authorization.startsWith("Bearer ")) return refusal;
  try {
    const { roles } = await createApi(
      stack.urls.edge,
      authorization.slice("Bearer ".length),
    ).identity.getMe({});
    return roles.includes(Role.OPERATOR) ? undefined : refusal;
  } catch (error) {
    if (ConnectError.from(error).code === Code.Unauthenticated) return refusal;
    throw error;
  }
}

const bodyOf = (body: unknown): Body =>
  typeof body === "object" && body !== null ? (body as Body) : {};

const refuse = (reply: FastifyReply, message: string) => reply.code(400).send({ message });
