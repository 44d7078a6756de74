// A service that behaves as BEHAVIOUR says.
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";

const { BEHAVIOUR, PORT, HOST, MARK } = process.env;

if (BEHAVIOUR === "crash") {
  process.stderr.write("the last words\n");
  process.exit(3);
}
const server = createServer((_request, response) =>
  response
    .writeHead(BEHAVIOUR === "never-ready" ? 503 : 200)
    .end(JSON.stringify({ ...process.env, dependencies: { database: "down", provider: "up" } })),
);
server.listen(Number(PORT), HOST, () =>
  process.stdout.write('{"level":"info","msg":"listening"}\n'),
);
process.on("SIGTERM", () => {
  if (BEHAVIOUR === "stubborn") return;
  if (MARK !== undefined) writeFileSync(MARK, "drained");
  server.close();
  server.closeAllConnections();
});
