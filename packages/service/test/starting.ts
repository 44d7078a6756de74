import { runService } from "../src/host/run.ts";

// Waits for something that never comes, as a start does for a database that is silent.
await runService(() => {
  setInterval(() => {}, 1_000);
  process.stdout.write("starting\n");
  return new Promise<never>(() => {});
});
