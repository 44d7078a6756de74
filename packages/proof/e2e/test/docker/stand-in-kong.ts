/**
 * In place of Kong where its image cannot be pulled: our edge, on Kong's two ports, which all
 * addresses of the container reach.
 */
import { connect, createServer } from "node:net";
import { recordOf, serviceEntry, serviceNames } from "@tercet/cli";
import { startEdge } from "@tercet/stack";

const OWN_PORTS = { 8000: 18_000, 9080: 19_080 } as const;

const edge = await startEdge({
  port: OWN_PORTS[8000],
  grpcPort: OWN_PORTS[9080],
  upstreams: recordOf(serviceNames, (name) => `http://${name}:${serviceEntry(name).port}`),
});
for (const [port, own] of Object.entries(OWN_PORTS))
  createServer((caller) => {
    const callee = connect(own, "127.0.0.1");
    caller.pipe(callee).pipe(caller);
    for (const socket of [caller, callee]) socket.on("error", () => socket.destroy());
  }).listen(Number(port), "0.0.0.0");
process.once("SIGTERM", () => {
  edge.drain();
  process.exit();
});
