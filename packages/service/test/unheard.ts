import { createLogger } from "../src/telemetry/log.ts";

// Logs after the reader has gone, and exits at once.
const log = createLogger({ name: "unheard", level: "info" });
process.stdin.once("end", () => {
  for (let line = 0; line < 100; line++) log.info({ line }, "no one reads this");
  process.exit(0);
});
process.stdin.resume();
log.info("ready");
