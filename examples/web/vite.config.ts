import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Calls to the API go to the page's own origin, and from there to Tercet: no CORS. */
const target = process.env["TERCET_URL"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  // /order.v1.OrderService/ListOrders
  server: { proxy: { "^/[a-z]+\\.v[0-9]+\\.": target } },
});
