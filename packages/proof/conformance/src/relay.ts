/**
 * The process that the suite starts for each server, or for its client: relays between the suite
 * and the socket of `servers.ts`, its argument. The suite starts several at once and waits 10 s,
 * which would be too short for processes that load the whole host.
 */
import { connect } from "node:net";

const [, , socketPath = "", mode = ""] = process.argv;
const socket = connect({ path: socketPath, allowHalfOpen: true });
// A server serves on after its request; a client has had all of its calls.
process.stdin.pipe(socket, { end: mode === "client" });
socket.pipe(process.stdout);
socket.on("error", ({ message }) => {
  process.stderr.write(`${message}\n`);
  process.exit(1);
});
