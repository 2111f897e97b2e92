/**
 * `weir tail`: what comes in, live. It follows the journal, so it shows what every dialect stores, costs the daemon
 * nothing and needs no credentials but those for the folder.
 * @module
 */

import { loadConfig } from "../config/load.ts";
import { journalDir } from "../flush/layout.ts";
import { followJournal } from "../journal/follow.ts";
import { plainText } from "./call_lines.ts";
import {
  configFlagsOf,
  configFlagSpecs,
  describeFlags,
  type FlagSpecs,
  parseFlags,
  reportFailure,
  UsageError,
} from "./flags.ts";
import type { CliIo } from "./io.ts";

const flagSpecs = {
  kind: { value: "KIND", text: "Only rows of this kind, such as event, batch, request or change" },
  owner: { value: "NAME", text: "Only rows of this project or app" },
  json: { text: "Print each row as it is stored, one JSON object a line" },
  all: { text: "Begin with what is in the journal already" },
  config: configFlagSpecs.config,
  "data-dir": configFlagSpecs["data-dir"],
} as const satisfies FlagSpecs;

const usage = `Usage: weir tail [flags]

Prints what a daemon on this machine takes, as it comes, until it is interrupted:
time, kind, project or app, and what the row is about.

Exit code: 0, 64 and 78 for a wrong command line or configuration, 66 when there
is no journal in data_dir.

${describeFlags(flagSpecs)}`;

const noInputExit = 66;
const maxLine = 200;

interface TailOptions {
  readonly kind: string | undefined;
  readonly owner: string | undefined;
  readonly isJson: boolean;
}

/** Runs the verb. @param signal Ends it. @default nothing does */
export async function tailVerb(args: string[], io: CliIo, signal?: AbortSignal): Promise<number> {
  try {
    const { values, on, operands } = parseFlags(args, flagSpecs);
    if (on.has("help")) {
      io.stdout(usage);
      return 0;
    }
    if (operands.length > 0) throw new UsageError("tail takes flags only");
    const { config } = loadConfig({ args: configFlagsOf(values), env: io.env });
    const options: TailOptions = { kind: values.kind, owner: values.owner, isJson: on.has("json") };
    const decoder = new TextDecoder();
    for await (
      const payload of followJournal(journalDir(config.data_dir), { fromStart: on.has("all"), signal })
    ) {
      for (const line of decoder.decode(payload).split("\n")) if (line !== "") print(line, options, io);
    }
    return 0;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    if (error instanceof Deno.errors.NotFound) {
      io.stderr("weir: Cannot find a journal in data_dir\n");
      return noInputExit;
    }
    return reportFailure(error, io);
  }
}

function print(line: string, { kind, owner, isJson }: TailOptions, io: CliIo): void {
  const row = JSON.parse(line) as Record<string, unknown>;
  const rowOwner = row.project_id ?? row.app;
  if (kind !== undefined && row.kind !== kind) return;
  if (owner !== undefined && rowOwner !== owner) return;
  if (isJson) return io.stdout(line + "\n");
  const time = typeof row.created_at === "string" ? row.created_at : timeText(row.t ?? row.at);
  const words = [time, String(row.kind ?? "").padEnd(9), String(rowOwner ?? "-"), ...aboutOf(row)];
  io.stdout(plainText(words.join("  "), maxLine) + "\n");
}

function timeText(t: unknown): string {
  const isTime = typeof t === "number" && Math.abs(t) < 8.64e15;
  return isTime ? new Date(t).toISOString() : "-".padEnd(24);
}

/** What a row is about, from the columns that its kind has. */
function aboutOf(row: Record<string, unknown>): string[] {
  const { kind, rid, index, events, fields } = row;
  if (kind === "batch") {
    return [`${rid} #${index}`, `${Array.isArray(events) ? events.length : 0} events`];
  }
  if (kind === "request") return [String(rid), JSON.stringify(fields)];
  const telling = [
    "name",
    "path",
    "rid",
    "collection",
    "op",
    "subject",
    "state",
    "action_id",
    "sid",
    "profile_id",
  ];
  return telling.flatMap((column) => {
    const value = row[column];
    return typeof value === "string" && value !== "" ? [value] : [];
  });
}
