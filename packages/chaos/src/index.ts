export { type Fault, type Matcher, startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";
