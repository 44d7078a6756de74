import { resolve } from "node:path";
import { runCommand, terminalListener } from "@tercet/cli";
import { backupFiles, backupFolder, restore } from "./backups.ts";
import { envToConfig } from "./config.ts";
import { restoreHelp } from "./help.ts";

await runCommand({
  help: restoreHelp,
  options: { from: { type: "string" } },
  allowWords: true,
  run: async ({ env, terminal, values, words }) => {
    const config = envToConfig(env);
    const folder = resolve(String(values["from"] ?? backupFolder(config.dataDir)));
    const files = await backupFiles(
      folder,
      words.map((word) => resolve(word)),
    );
    await restore(config, files, terminalListener(terminal));
    terminal.line("restored; next: the runbook, Restore, from step 3 on");
    return 0;
  },
});
