const TICK_MS = 20;
const WINDOW_MS = 200;

/**
 * Measures how late work is: the event loop, for which a call that arrives waits before anything
 * runs, and what the process queues, as `backlogMs` says. Reports the median of each window, so
 * that one long pause, of the garbage collector for instance, is not taken for overload.
 */
export function watchDelay(backlogMs: () => number, report: (delayMs: number) => void): Disposable {
  let last = performance.now();
  let windowEnd = last + WINDOW_MS;
  let delays: number[] = [];
  const timer = setInterval(() => {
    const now = performance.now();
    delays.push(Math.max(0, now - last - TICK_MS, backlogMs()));
    last = now;
    if (now < windowEnd) return;
    delays.sort((a, b) => a - b);
    report(delays[Math.floor(delays.length / 2)] ?? 0);
    delays = [];
    windowEnd = now + WINDOW_MS;
  }, TICK_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
