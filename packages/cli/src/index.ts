export { cacheFolder } from "./cache-folder.ts";
export { type BarChart, barChart } from "./chart/bar-chart.ts";
export { clock } from "./chart/scale.ts";
export { type Panel, type TimeChart, timeChart } from "./chart/time-chart.ts";
export { type Command, type CommandContext, numberOf, runCommand, runCommands } from "./command.ts";
export { cpuMs } from "./cpu.ts";
export { CommandError } from "./errors.ts";
export { freePort, LOOPBACK, listenOnce } from "./free-port.ts";
export { type Inspector, type Memory, openInspector } from "./inspector.ts";
export { liveLine } from "./live-line.ts";
export { chromiumOnPath, onPath } from "./on-path.ts";
export { type ProgressListener, silentListener } from "./progress.ts";
export { compileCacheOf, ROOT } from "./root.ts";
export {
  recordOf,
  type ServiceEntry,
  type ServiceName,
  serviceEntry,
  serviceNames,
  services,
} from "./services.ts";
export { type Distribution, distribution, quantile } from "./statistics.ts";
export { table } from "./table.ts";
export { type TemporaryFolder, temporaryFolder } from "./temporary-folder.ts";
export { createTerminal, type Style, type Terminal, terminalListener } from "./terminal.ts";
