import { startServiceProcess } from "../src/service-process.ts";

/** Starts the fixture service, prints its process id, and waits to be killed. */
const [main = "", port = "", mark = ""] = process.argv.slice(2);
const service = await startServiceProcess({
  name: "fixture",
  main,
  port: Number(port),
  env: { MARK: mark },
});
process.stdout.write(`${service.pid}\n`);
