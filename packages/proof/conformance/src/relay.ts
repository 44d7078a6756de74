/**
 * What the suite starts for each server it needs: hands on to `servers.ts`, at the socket that is
 * its argument, what the suite says and what it is answered. The suite waits 10 s for an answer,
 * and starts several at once; on a busy machine a process that loads the whole host first would be
 * too late.
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
