export { type LoadOptions, type LoadResult, runLoad } from "./load.ts";
export { targetOf } from "./target.ts";
