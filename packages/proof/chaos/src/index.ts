export { Fleet } from "./fleet.ts";
export { runPairs } from "./pairs.ts";
export { isPassing } from "./passing.ts";
export { freshSeed, pick, seededRandom } from "./random.ts";
export { runRolling } from "./rolling.ts";
export { runStorm } from "./storm.ts";
export { runTakeover } from "./takeover.ts";
export { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";
export { isTakeOver, staleWrites } from "./timelines.ts";
