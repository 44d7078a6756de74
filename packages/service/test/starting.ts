import { runService } from "../src/host/run.ts";

// A start that never ends, as with a silent database.
await runService(() => {
  setInterval(() => {}, 1_000);
  process.stdout.write("starting\n");
  return new Promise<never>(() => {});
});
