/**
 * `weir validate FILE`: would the daemon start with this file?
 * @module
 */

import { formatIssue } from "../config/issue.ts";
import { loadConfig } from "../config/load.ts";
import { describeFlags, parseFlags, reportFailure, UsageError } from "./flags.ts";
import type { CliIo } from "./io.ts";

const usage = `Usage: weir validate FILE

Checks a configuration file as the daemon would read it here and now, with the
environment's \${VAR} and WEIR_* in place. Prints "ok", or one line for each
thing that is wrong: file:line:col path: message

Exit code: 0 when it is right, 64 for a wrong command line, 78 when it is wrong.

${describeFlags({})}`;

/** Runs the verb. */
// deno-lint-ignore require-await -- every verb has this form
export async function validateVerb(args: string[], io: CliIo): Promise<number> {
  try {
    const { on, operands } = parseFlags(args, {});
    if (on.has("help")) {
      io.stdout(usage);
      return 0;
    }
    if (operands.length !== 1) {
      throw new UsageError(`validate needs one file: ${operands.length} given`);
    }
    const { warnings } = loadConfig({ args: { config: operands[0] }, env: io.env });
    for (const warning of warnings) io.stderr(`warning: ${formatIssue(warning)}\n`);
    io.stdout("ok\n");
    return 0;
  } catch (error) {
    return reportFailure(error, io);
  }
}
