import { readdir, readFile, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** In `vite dev`, calls go on to a stack that runs: /order.v1.OrderService/ListOrders, /lab/... */
const target = process.env["TERCET_URL"] ?? "http://127.0.0.1:8000";

const COMPRESSED = new Set([".js", ".css", ".html", ".svg", ".json"]);

/** Writes each file also as `.br` and `.gz`, so that a server compresses nothing by itself. */
const compress = (): Plugin => ({
  name: "compress",
  apply: "build",
  async writeBundle({ dir = "dist" }) {
    const files = (await readdir(dir, { recursive: true })).filter((file) =>
      COMPRESSED.has(extname(file)),
    );
    const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
    for (const file of files.map((name) => join(dir, name))) {
      const content = await readFile(file);
      await writeFile(`${file}.br`, await promisify(brotliCompress)(content, { params }));
      await writeFile(`${file}.gz`, await promisify(gzip)(content, { level: 9 }));
    }
  },
});

export default defineConfig({
  plugins: [react(), compress()],
  build: {
    target: "es2023",
    // No file is written into a page as data: the policy of the page allows only files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Few files: each is compressed by itself, and a release changes few of them.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "libraries", priority: 2, test: /node_modules/ },
            { name: "console", priority: 1, test: /gen\/src\/|src\/(account|orders|session|ui)\// },
            { name: "operators", test: /src\/(overview|payments|sagas)\/|stock-page/ },
          ],
        },
      },
    },
    reportCompressedSize: false,
  },
  server: { proxy: { "^/([a-z]+\\.v[0-9]+\\.|lab/|console.json|openapi.json)": target } },
});
