import { execFile } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const run = promisify(execFile);
const SOURCE = join(import.meta.dirname, "../src");

/** Runs a process that exports telemetry and ends at once; `script` sees what the end took. */
async function endOf(env: Record<string, string>): Promise<{ stdout: string; stderr: string }> {
  const script = `
    const { finishBeforeExit } = await import(${JSON.stringify(join(SOURCE, "host/exit.ts"))});
    const start = performance.now();
    await finishBeforeExit();
    console.log(Math.round(performance.now() - start));
    process.exit(0);`;
  const telemetry = ["--import", join(SOURCE, "telemetry/telemetry.ts")];
  return await run(
    process.execPath,
    ["--conditions=source", ...telemetry, "--input-type=module", "--eval", script],
    { env: { PATH: process.env["PATH"], ...env } },
  );
}

test("a collector that is suspended does not hold a process that ends", async () => {
  const silent = createServer(() => {});
  await once(silent.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as AddressInfo;
  const { stdout } = await endOf({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` });
  // The limit for one that is there is 2 s.
  expect(Number(stdout)).toBeLessThan(1_900);
});

test("an endpoint that is no address is named in a sentence", async () => {
  const failed = await endOf({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "collector:4318" }).catch(
    (error: { code: number; stderr: string }) => error,
  );
  expect(failed).toMatchObject({
    code: 1,
    stderr:
      "telemetry cannot start because its configuration is invalid:\n  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: must begin with http:// or https://\n",
  });
});
