/** The least that a service can be: Fastify with one route. It loads nothing else. */
import { fastify } from "fastify";

const app = fastify();
app.get("/health/ready", () => ({ status: "up" }));
await app.listen({ host: process.env["HOST"] ?? "", port: Number(process.env["PORT"]) });
