import { expect, test } from "vitest";
import { type Supervised, Supervisor } from "./supervisor.ts";

interface Fake extends Supervised {
  die(how: string): void;
}

function fake(pid: number): Fake {
  const { promise: exited, resolve } = Promise.withResolvers<string>();
  return { pid, exited, die: resolve, [Symbol.asyncDispose]: async () => resolve("stopped") };
}

/** Starts 1, 2, 3...; those in `failing` do not start. */
function supervised({ restart = true, failing = [] as readonly number[] } = {}) {
  const heard: string[] = [];
  let starts = 0;
  const supervisor = new Supervisor<Fake>({
    start: async () => {
      if (failing.includes(++starts)) throw new Error(`no ${starts}`);
      return fake(starts);
    },
    restart,
    onDied: (how, delayMs) => heard.push(`${how}, ${delayMs}`),
    onStartFailed: (error, delayMs) => heard.push(`${(error as Error).message}, ${delayMs}`),
    onRestarted: ({ pid }) => heard.push(`up ${pid}`),
  });
  return { supervisor, heard };
}

test("what dies is started again", async () => {
  const { supervisor, heard } = supervised();
  await using first = await supervisor.start();
  first.die("SIGKILL");
  await first.exited;
  expect((await supervisor.up()).pid).toBe(2);
  expect(heard).toEqual(["SIGKILL, 100", "up 2"]);
  await supervisor.stop();
});

test("a start that fails is tried again, later each time", async () => {
  const { supervisor, heard } = supervised({ failing: [2, 3] });
  (await supervisor.start()).die("SIGKILL");
  await expect.poll(() => supervisor.current?.pid).toBe(4);
  expect(heard).toEqual(["SIGKILL, 100", "no 2, 200", "no 3, 400", "up 4"]);
  await supervisor.stop();
});

test("the first start fails as it fails", async () => {
  const { supervisor } = supervised({ failing: [1] });
  await expect(supervisor.start()).rejects.toThrow("no 1");
});

test("what is stopped stays down until it is started", async () => {
  const { supervisor, heard } = supervised();
  await supervisor.start();
  await supervisor.stop();
  expect(supervisor.current).toBeUndefined();
  expect((await supervisor.start()).pid).toBe(2);
  await supervisor.stop();
  expect(heard).toEqual([]);
});

test("stopping while it is down ends the attempts", async () => {
  const { supervisor, heard } = supervised({ failing: [2, 3, 4, 5] });
  (await supervisor.start()).die("SIGKILL");
  await expect.poll(() => heard.length).toBe(2);
  await supervisor.stop();
  expect(supervisor.current).toBeUndefined();
});

test("unsupervised, what dies stays down", async () => {
  const { supervisor, heard } = supervised({ restart: false });
  (await supervisor.start()).die("SIGKILL");
  await expect.poll(() => heard).toEqual(["SIGKILL, undefined"]);
  expect(supervisor.current).toBeUndefined();
});
