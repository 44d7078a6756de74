/**
 * The process that the suite starts for each server: relays between the suite and the socket of
 * `servers.ts`, its argument. The suite starts several at once and waits 10 s, which would be too
 * short for processes that load the whole host.
 */
import { connect } from "node:net";

const [, , socketPath = ""] = process.argv;
const socket = connect(socketPath);
process.stdin.pipe(socket, { end: false });
socket.pipe(process.stdout);
socket.on("error", ({ message }) => {
  process.stderr.write(`${message}\n`);
  process.exit(1);
});
