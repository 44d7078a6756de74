import { FAULTS_END_MS } from "./profile.ts";
import type { World } from "./world.ts";

/**
 * Everything that happens to whole processes, and the customers who change their mind; how often,
 * the profile says.
 */
export function bringMisfortunes(world: World): void {
  const { profile, random, time } = world;
  const schedule = (times: number, happen: (world: World) => void) => {
    for (let n = 0; n < times; n++)
      time.after(random.between(0, FAULTS_END_MS), () => happen(world));
  };
  schedule(profile.crashes, crash);
  schedule(profile.freezes, freeze);
  schedule(profile.stops, stop);
  schedule(profile.turnBacks, turnBack);
  schedule(profile.cancels, cancel);
  schedule(profile.databaseOutages, (w) => {
    w.faults.downUntil = w.time.now + w.random.between(100, 3_000);
  });
  schedule(profile.paymentRestarts, (w) => w.payment.restart(w.random.skewed(0, 8_000)));
}

function crash(world: World): void {
  const worker = world.anyWorker();
  if (worker === undefined) return;
  world.workers.delete(worker);
  worker.crash();
  world.journal.note(`${worker.process.name} crashes`);
  world.time.after(world.random.between(0, 8_000), () => world.startWorker());
}

/** Longer than its lease, or not. It goes on as if nothing had happened. */
function freeze(world: World): void {
  const worker = world.anyWorker();
  if (worker === undefined) return;
  worker.process.frozenUntil = world.time.now + world.random.between(100, 15_000);
  world.journal.note(`${worker.process.name} stands still until ${worker.process.frozenUntil}`);
}

/** A deploy: the next one starts while this one still finishes what it has in hand. */
function stop(world: World): void {
  const worker = world.anyWorker();
  if (worker === undefined) return;
  world.workers.delete(worker);
  worker.process.deliver(0, () => {
    world.journal.note(`${worker.process.name} stops`);
    void worker.stop();
  });
  world.time.after(world.random.between(0, 1_000), () => world.startWorker());
}

function turnBack(world: World): void {
  const worker = world.anyWorker();
  const order = world.random.pick([...world.database.orders.values()]);
  if (worker === undefined || order === undefined) return;
  worker.process.deliver(0, async () => {
    if (!(await worker.turnBack(order.id))) return;
    world.journal.saw("turned back by the customer");
    world.journal.note(`${order.id} is turned back by its customer`);
  });
}

/**
 * The customer of a confirmed order; of one that is not, nothing comes of it. Asks twice, now and
 * then at two workers at once.
 */
function cancel(world: World): void {
  const { random } = world;
  const order = random.pick(
    [...world.database.orders.values()].filter(({ status }) => status === "CONFIRMED"),
  );
  if (order === undefined) return;
  for (let times = random.between(1, 2); times > 0; times--) {
    const worker = world.anyWorker();
    worker?.process.deliver(
      random.skewed(0, 500),
      () => void worker.cancel(order.id, world.nextCancellation()),
    );
  }
}
