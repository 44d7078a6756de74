export { type ConsoleConfig, envToConfig } from "./config.ts";
export { type ConsoleServer, startConsoleServer } from "./console-server.ts";
export {
  type ConsoleSettings,
  type ConsoleSite,
  consoleFolder,
  SITE_HEADERS,
  serveConsole,
} from "./console-site.ts";
