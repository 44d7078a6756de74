/**
 * Loaded before a service by `--import`: at SIGUSR2 its wall clock jumps by CLOCK_JUMP_MS. Timers
 * are monotonic and stay, as they do when a real clock is set.
 */
const RealDate = Date;
let jumpedMs = 0;
const now = () => RealDate.now() + jumpedMs;

process.on("SIGUSR2", () => {
  jumpedMs = Number(process.env["CLOCK_JUMP_MS"]);
});
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  get: (target, key) => (key === "now" ? now : Reflect.get(target, key)),
});
