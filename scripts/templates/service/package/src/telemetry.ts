/** Loaded before the service: `node --import ./dist/telemetry.js dist/main.js`. */
import "@tercet/service/telemetry";
