/**
 * The command line: a verb, its arguments, an exit code.
 * @module
 */

import { systemIo } from "./src/cli/system_io.ts";
import { verbs } from "./src/cli/verbs.ts";

if (import.meta.main) {
  const [first = "serve", ...rest] = Deno.args;
  const isFlag = first.startsWith("-") && !["--help", "-h", "--version"].includes(first);
  const [verb, args] = isFlag ? ["serve", Deno.args] : [first, rest];
  const known = Object.hasOwn(verbs, verb);
  Deno.exit(await verbs[known ? verb : "help"].run(known && verb !== "help" ? args : [verb], systemIo()));
}
