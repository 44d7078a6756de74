import { existsSync } from "node:fs";
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, type ServiceName, serviceNames } from "@tercet/cli/repository";
import { copyTemplate } from "./copy.ts";
import { renamed, spellingOf } from "./spelling.ts";

export interface NewSaga {
  /** "return-goods" */
  readonly name: string;
  /** The service that runs it. */
  readonly service: string;
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const MAX_LENGTH = 30;

/** Returns what speaks against it, one sentence each. */
export async function sagaProblems({ name, service }: NewSaga): Promise<string[]> {
  if (!NAME.test(name) || name.length > MAX_LENGTH)
    return [`the name "${name}" must be up to ${MAX_LENGTH} lower-case letters, digits, hyphens`];
  if (!serviceNames.includes(service as ServiceName))
    return [`there is no service ${service}: ${serviceNames.join(", ")}`];
  const source = join(ROOT, "packages", service, "src");
  const schema = await readFile(join(source, "schema.ts"), "utf8");
  return [
    ...(schema.includes('"@tercet/saga"')
      ? []
      : [
          `packages/${service}/src/schema.ts does not export the tables of @tercet/saga: ${service} runs no sagas`,
        ]),
    ...(existsSync(join(source, `${name}-saga.ts`))
      ? [`packages/${service}/src/${name}-saga.ts is there already`]
      : []),
  ];
}

/** Writes a definition, its table and its test. Resolves to the paths of the new files. */
export async function writeSaga({ name, service }: NewSaga): Promise<string[]> {
  const { camel } = spellingOf(name);
  const rename = (text: string) => renamed(text, "acme", spellingOf(name));
  const written = await copyTemplate("saga", `packages/${service}/src`, rename);
  const schema = `packages/${service}/src/schema.ts`;
  await appendFile(join(ROOT, schema), `\nexport { ${camel}Rows } from "./${name}-schema.ts";\n`);
  return written;
}
