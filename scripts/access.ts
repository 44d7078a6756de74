/**
 * Prints the methods of our contracts that declare no access rule, and fails if there are any. Runs
 * with `--conditions=source`, so that nothing has to be built.
 */
import { ourServices } from "@tercet/gateway";
import { methodsWithoutAccess } from "@tercet/service";

const ours = await ourServices();
const undeclared = methodsWithoutAccess(ours);
if (ours.length === 0) process.stdout.write("no service found in gen/src\n");
for (const method of undeclared)
  process.stdout.write(`${method} does not declare (common.v1.access)\n`);
process.exitCode = ours.length > 0 && undeclared.length === 0 ? 0 : 1;
