/**
 * Loaded before a service by `--import`. The stack holds the other end of the service's IPC
 * channel, so when the stack is gone, however it went, the channel closes: then the service ends as
 * on SIGTERM, or is ended when that takes too long.
 */
const LONGEST_DRAIN_MS = 12_000;

process.once("disconnect", () => {
  setTimeout(() => process.exit(1), LONGEST_DRAIN_MS).unref();
  process.kill(process.pid, "SIGTERM");
});
// The channel alone must not keep the process.
process.channel?.unref();
// Nobody reads what it says while it ends.
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});
