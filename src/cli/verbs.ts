/**
 * Every verb of the command line.
 * @module
 */

import { version } from "../base/version.ts";
import { configVerb } from "./config.ts";
import { doctorVerb } from "./doctor.ts";
import { exportVerb } from "./export.ts";
import type { CliIo } from "./io.ts";
import { journalVerb } from "./journal.ts";
import { reindexVerb } from "./reindex.ts";
import { sendVerb } from "./send.ts";
import { serveVerb } from "./serve.ts";
import { showVerb } from "./show.ts";
import { tailVerb } from "./tail.ts";
import { validateVerb } from "./validate.ts";

/** One verb: what it takes, what it does, and its work, which resolves to the exit code. */
export interface Verb {
  readonly usage: string;
  readonly summary: string;
  run(args: string[], io: CliIo): Promise<number>;
}

/** Name to verb, in the order in which the help lists them. */
export const verbs: Readonly<Record<string, Verb>> = {
  serve: { usage: "serve [flags]", summary: "Run the daemon (the default)", run: serveVerb },
  validate: { usage: "validate FILE", summary: "Check a configuration file", run: validateVerb },
  config: {
    usage: "config print|schema",
    summary: "Show settings with their origin, or the JSON Schema",
    run: configVerb,
  },
  journal: { usage: "journal FILE", summary: "Print the records of a journal segment", run: journalVerb },
  reindex: { usage: "reindex [flags]", summary: "Build the catalog again from the parts", run: reindexVerb },
  send: { usage: "send FILE|- [flags]", summary: "Post a file of rows to a running daemon", run: sendVerb },
  show: { usage: "show RID [flags]", summary: "Show the calls of a request", run: showVerb },
  export: {
    usage: "export RID [flags]",
    summary: "Write a request as chrome, speedscope, otlp or ndjson",
    run: exportVerb,
  },
  tail: { usage: "tail [flags]", summary: "Print what comes in, as it comes", run: tailVerb },
  doctor: { usage: "doctor [flags]", summary: "Look at the machine and the daemon on it", run: doctorVerb },
  help: { usage: "help", summary: "Show this", run: showHelp },
};

/** Exit code for a command line that cannot be read (sysexits, EX_USAGE). */
const usageExit = 64;

function showHelp([asked = "help"]: string[], io: CliIo): Promise<number> {
  const width = Math.max(...Object.values(verbs).map(({ usage }) => usage.length));
  const lines = Object.values(verbs).map(({ usage, summary }) => `  weir ${usage.padEnd(width)}  ${summary}`);
  const known = ["help", "--help", "-h", "--version"].includes(asked);
  const text = `weir ${version}\n\n${lines.join("\n")}\n\nFlags of a verb: weir VERB --help\n`;
  if (known) io.stdout(text);
  else io.stderr(`There is no verb ${JSON.stringify(asked)}\n\n${text}`);
  return Promise.resolve(known ? 0 : usageExit);
}
