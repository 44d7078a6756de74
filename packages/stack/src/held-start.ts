/**
 * Loaded with `--import` before a service whose database is not there yet: loads the service's
 * code, and waits for the stack's message.
 */
import { once } from "node:events";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";

const [, main = ""] = process.argv;
await import(new URL(`./index${extname(main)}`, pathToFileURL(main)).href);
// Nothing else keeps the process alive now.
process.channel?.ref();
await once(process, "message");
process.channel?.unref();
