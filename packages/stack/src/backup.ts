import { join, resolve } from "node:path";
import { numberOf, runCommand, terminalListener } from "@tercet/cli";
import { backUp, backupFolder } from "./backups.ts";
import { envToConfig } from "./config.ts";
import { backupHelp, KEPT_BACKUPS } from "./help.ts";
import { placesOf } from "./places.ts";
import { readSecrets } from "./secrets.ts";

await runCommand({
  help: backupHelp,
  options: {
    to: { type: "string" },
    keep: { type: "string", default: String(KEPT_BACKUPS) },
  },
  run: async (context) => {
    const { env, terminal, values } = context;
    const config = envToConfig(env);
    const secrets = await readSecrets(join(config.dataDir, "secrets.json"));
    const folder = resolve(String(values["to"] ?? backupFolder(config.dataDir)));
    await backUp(placesOf(config, secrets ?? { postgresPassword: "" }), {
      folder,
      keep: Math.floor(numberOf(context, "keep")),
      listener: terminalListener(terminal),
    });
    terminal.line(`written to ${folder}`);
    return 0;
  },
});
