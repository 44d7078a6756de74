import { createLogger } from "../src/telemetry/log.ts";

// Logs after whoever read it has gone, and ends at once.
const log = createLogger({ name: "unheard", level: "info" });
process.stdin.once("end", () => {
  for (let line = 0; line < 100; line++) log.info({ line }, "nobody hears this");
  process.exit(0);
});
process.stdin.resume();
log.info("ready");
