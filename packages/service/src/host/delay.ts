const TICK_MS = 20;
const WINDOW_MS = 200;

export interface DelayOptions {
  /** For how long work has waited inside the process, in milliseconds. */
  readonly backlogMs: () => number;
  /** Gets the delay of each window, in milliseconds. */
  readonly report: (delayMs: number) => void;
  /** Whether nothing depends on the delay, until `wake` is called. */
  readonly isResting: () => boolean;
}

export interface DelayWatch extends Disposable {
  /** Call it when there is work. */
  wake(): void;
}

/**
 * Measures how late work is: the event loop, for which a call that arrives waits before anything
 * runs, and what the process queues. Reports the median of each window, so that one long pause, of
 * the garbage collector for instance, is not taken for overload. A process that rests is not woken
 * for it.
 */
export function watchDelay({ backlogMs, report, isResting }: DelayOptions): DelayWatch {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const measure = () => {
    let last = performance.now();
    let windowEnd = last + WINDOW_MS;
    let delays: number[] = [];
    return setInterval(() => {
      const now = performance.now();
      delays.push(Math.max(0, now - last - TICK_MS, backlogMs()));
      last = now;
      if (now < windowEnd) return;
      delays.sort((a, b) => a - b);
      report(delays[Math.floor(delays.length / 2)] ?? 0);
      delays = [];
      windowEnd = now + WINDOW_MS;
      if (isResting()) rest();
    }, TICK_MS).unref();
  };
  const rest = () => {
    clearInterval(timer);
    timer = undefined;
  };
  return {
    wake: () => {
      if (!isOver) timer ??= measure();
    },
    [Symbol.dispose]: () => {
      isOver = true;
      rest();
    },
  };
}
