/**
 * `node ../../scripts/bundle.ts PROGRAM...`, in the folder of a package: writes each program of its
 * src/ to dist/ together with all that it imports, instead of what `tsc` wrote there. A process
 * that loads a few files starts in half the time of one that looks for six hundred. Decision 0140.
 */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rolldown } from "rolldown";

const CHUNK = "chunk-";
/** Third-party code: without source maps, which would take as long to read as all the rest. */
const LIBRARIES = "libraries";
/** Stay in node_modules: native code, and a driver that looks for optional packages by itself. */
const EXTERNAL = ["@node-rs/argon2", "mongodb"];

const programs = process.argv.slice(2);
// Beside the programs, so that paths relative to a module's URL stay true.
const dist = join(process.cwd(), "dist");

await using bundle = await rolldown({
  input: Object.fromEntries(programs.map((name) => [name, join("src", `${name}.ts`)])),
  platform: "node",
  external: EXTERNAL,
  resolve: { conditionNames: ["source", "import", "node", "default"] },
  tsconfig: false,
  onLog: (_level, { message }) => {
    throw new Error(message);
  },
});
const { output } = await bundle.write({
  dir: dist,
  format: "esm",
  sourcemap: true,
  chunkFileNames: ({ name }) => `${CHUNK}${name.split("~")[0]}-[hash].js`,
  codeSplitting: { groups: [{ name: LIBRARIES, test: /node_modules/, entriesAware: true }] },
});

// Of an earlier build: their names change with their content.
const written = new Set(output.map(({ fileName }) => fileName));
for (const file of await readdir(dist))
  if (file.startsWith(CHUNK) && !written.has(file)) await rm(join(dist, file));

// Pino asks where it was called from, and Node then reads the source maps of all who called it.
for (const { fileName, name } of output)
  if (name?.startsWith(LIBRARIES) && fileName.endsWith(".js")) {
    const file = join(dist, fileName);
    const code = await readFile(file, "utf8");
    await writeFile(file, code.replace(/^\/\/# sourceMappingURL=.*$/m, ""));
    await rm(`${file}.map`);
  }
