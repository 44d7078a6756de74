export { type BarChart, barChart } from "./bar-chart.ts";
export { clock } from "./scale.ts";
export { type Panel, type TimeChart, timeChart } from "./time-chart.ts";
