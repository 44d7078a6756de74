export { type GroupOptions, grouped } from "./group.ts";
