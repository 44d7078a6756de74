import { CommandError, runCommand } from "@tercet/cli";
import { selection } from "./selection.ts";
import { runSuite } from "./suite.ts";

const help = `Usage: pnpm conformance [--client] [--without-fast-path] [--selection | --run PATTERN...] [--trace]

Runs Connect's official protocol suite (connectrpc.com/conformance) against our own host, with
everything it has in production: Connect, gRPC and gRPC-Web; HTTP/1.1 and HTTP/2 on one port,
cleartext and TLS, with and without client certificates; proto and JSON; identity, gzip and br;
GET; and the limit of a message's size. With --client, runs its client mode against the transport
of calls between services: gRPC over HTTP/2, as proto. No case is excluded, but for what Connect's
own transport fails (client-known-failing.txt) with --without-fast-path.
Needs Go, and "pnpm tools connectconformance" once.

The exit code is 1 when a case failed or could not be run, or a tool is missing.

Options:
  --client             tests the transport of calls between services, not the host
  --without-fast-path  tests it with FAST_PATH=off: Connect's own handlers and transport
  --selection          a selection for every day, which takes less than half of the time
  --run PATTERN        cases whose name matches, for example "Basic/**" or
                       "**/Protocol:PROTOCOL_GRPC/**/unary/*"; may be repeated
  --trace              shows the bytes on the wire of each failed case`;

await runCommand({
  help,
  options: {
    client: { type: "boolean" },
    "without-fast-path": { type: "boolean" },
    selection: { type: "boolean" },
    run: { type: "string", multiple: true },
    trace: { type: "boolean" },
  },
  run: async ({ terminal, signal, values }) => {
    const { run = [], trace = false } = values as { run?: string[]; trace?: boolean };
    if (values["selection"] && values["client"])
      throw new CommandError("--selection is of the host; see --help");
    if (values["selection"] && run.length > 0)
      throw new CommandError("--selection or --run, not both; see --help");
    const started = performance.now();
    const seconds = () => `${((performance.now() - started) / 1_000).toFixed(0)} s`;
    // The suite prints nothing while its cases run.
    const clock = setInterval(
      () => terminal.draw([terminal.styled("dim", `… ${seconds()}`)]),
      1_000,
    );
    const { passed, failed, notRun, logged } = await runSuite({
      mode: values["client"] ? "client" : "server",
      fastPath: !values["without-fast-path"],
      run: values["selection"] ? selection : run,
      trace,
      signal,
      onLine: (line) => terminal.line(line),
    });
    clearInterval(clock);
    for (const line of logged) terminal.line(line.trimEnd());
    const ok = failed + notRun + logged.length === 0;
    const mark = ok ? terminal.styled("green", "✓") : terminal.styled("red", "✗");
    const rest = [
      ...(notRun > 0 ? [`${notRun} not run`] : []),
      ...(logged.length > 0 ? [`${logged.length} unexpected log lines`] : []),
    ];
    const counts = [`${passed} passed`, `${failed} failed`, ...rest].join(", ");
    terminal.line(`${mark} ${counts} in ${seconds()}`);
    return ok ? 0 : 1;
  },
});
