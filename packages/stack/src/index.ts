export { type Api, createApi, logIn } from "./api.ts";
export { envToConfig, type ServiceName, type StackConfig } from "./config.ts";
export { type Edge, type EdgeOptions, startEdge } from "./edge.ts";
export { StackError } from "./errors.ts";
export { type StackListener, silent } from "./listener.ts";
export { freePort } from "./ports.ts";
export { type ServiceProcess, type ServiceProcessOptions, startServiceProcess } from "./service-process.ts";
export { type Stack, type StackProcess, type StackUser, startStack } from "./stack.ts";
