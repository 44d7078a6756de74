import { runService } from "../src/host/run.ts";

/** A service that Node warns about, and that then throws where nothing catches. */
await runService(async () => {
  process.emitWarning("this is deprecated");
  setTimeout(() => {
    throw new Error("nothing catches this");
  }, 50);
  return { [Symbol.asyncDispose]: async () => {} };
});
