/**
 * Loaded before a service with `--import`. The stack holds the other end of the service's IPC
 * channel, which closes when the stack ends for any reason: then the service drains as on SIGTERM,
 * and exits at the latest after LONGEST_DRAIN_MS.
 */
const LONGEST_DRAIN_MS = 12_000;

process.once("disconnect", () => {
  setTimeout(() => process.exit(1), LONGEST_DRAIN_MS).unref();
  process.kill(process.pid, "SIGTERM");
});
// The channel alone must not keep the process alive.
process.channel?.unref();
// No one reads its output any more.
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});
