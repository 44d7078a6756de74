export { clock } from "./scale.ts";
export { type Panel, type TimeChart, timeChart } from "./time-chart.ts";
