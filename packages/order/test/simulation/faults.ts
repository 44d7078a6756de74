import { FAULTS_END_MS } from "./profile.ts";
import type { World } from "./world.ts";

/** Schedules the faults of whole processes, and the cancellations, as often as the profile says. */
export function scheduleFaults(world: World): void {
  const { profile, random, time } = world;
  const schedule = (times: number, happen: (world: World) => void) => {
    for (let n = 0; n < times; n++)
      time.after(random.between(0, FAULTS_END_MS), () => happen(world));
  };
  schedule(profile.crashes, crash);
  schedule(profile.freezes, freeze);
  schedule(profile.impersonations, impersonate);
  schedule(profile.stops, stop);
  schedule(profile.compensations, compensate);
  schedule(profile.cancels, cancel);
  schedule(profile.resolutions, resolve);
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
  // In its place, or elsewhere.
  const next = world.random.chance(0.6) ? worker.instance : undefined;
  world.time.after(world.random.between(0, 8_000), () => world.startWorker(next));
}

/** By mistake, another process starts under the name of one that lives. */
function impersonate(world: World): void {
  world.startWorker(world.anyWorker()?.instance);
}

/** For longer than its lease, or not. It continues as if nothing had happened. */
function freeze(world: World): void {
  const worker = world.anyWorker();
  if (worker === undefined) return;
  worker.process.frozenUntil = world.time.now + world.random.between(100, 15_000);
  world.journal.note(`${worker.process.name} is frozen until ${worker.process.frozenUntil}`);
}

/** A deployment: the next worker starts while this one still finishes its steps in flight. */
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

function compensate(world: World): void {
  const worker = world.anyWorker();
  const order = world.random.pick([...world.database.orders.values()]);
  if (worker === undefined || order === undefined) return;
  worker.process.deliver(0, async () => {
    if (!(await worker.compensate(order.id))) return;
    world.journal.saw("compensated for the customer");
    world.journal.note(`${order.id} is cancelled by its customer`);
  });
}

/** An operator closes the saga of an order that is being undone, under its worker's hands. */
function resolve(world: World): void {
  const worker = world.anyWorker();
  const undone = [...world.database.orders.values()].filter(
    ({ status }) => status === "CANCELLING",
  );
  const order = world.random.pick(undone);
  if (worker === undefined || order === undefined) return;
  worker.process.deliver(0, async () => {
    if (await worker.resolve(order.id))
      world.journal.note(`${order.id} is resolved by an operator`);
  });
}

/** A customer cancels a confirmed order; sometimes twice, at two workers at the same time. */
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
