/**
 * `weir reindex`: builds the catalog again from the parts. A daemon does the same at start when it has to.
 * @module
 */

import { loadConfig } from "../config/load.ts";
import { DataDirError, DataLock } from "../flush/lock.ts";
import { reindex, type ReindexReport } from "../flush/reindex.ts";
import {
  configFlagsOf,
  configFlagSpecs,
  describeFlags,
  type FlagSpecs,
  parseFlags,
  reportFailure,
} from "./flags.ts";
import type { CliIo } from "./io.ts";

const flagSpecs = {
  config: configFlagSpecs.config,
  "data-dir": configFlagSpecs["data-dir"],
} as const satisfies FlagSpecs;

const exits = { done: 0, damaged: 1, noInput: 66, inUse: 75 } as const;

const usage = `Usage: weir reindex [flags]

Builds the catalog again from the parts in data_dir, for when it is lost or damaged.
No daemon may be running on it. The old catalog is moved to quarantine/, and so are
parts that cannot be read. Replies kept for repeats are taken over from the old
catalog; if that cannot be read, they are lost.

Exit code: 0 when everything could be read, 1 when parts were set aside, 64 and 78 for
a wrong command line or configuration, 66 when there is no data_dir, 75 when a daemon
is running on it.

${describeFlags(flagSpecs)}`;

/** Runs the verb. */
export async function reindexVerb(args: string[], io: CliIo): Promise<number> {
  try {
    const { on, values } = parseFlags(args, flagSpecs);
    if (on.has("help")) {
      io.stdout(usage);
      return exits.done;
    }
    const { config } = loadConfig({ args: configFlagsOf(values), env: io.env });
    return await rebuild(config.data_dir, { identityKeepMs: config.identities.keep_ms, io });
  } catch (error) {
    return reportFailure(error, io);
  }
}

async function rebuild(
  dataDir: string,
  { identityKeepMs, io }: { identityKeepMs: number; io: CliIo },
): Promise<number> {
  try {
    using _lock = await DataLock.take(dataDir);
    const report = await reindex(dataDir, { now: Date.now(), identityKeepMs });
    io.stdout(describe(report));
    return report.damaged === 0 ? exits.done : exits.damaged;
  } catch (error) {
    if (error instanceof DataDirError) {
      io.stderr(`weir: ${error.message}\n`);
      return exits.inUse;
    }
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    io.stderr(`weir: Cannot find data_dir: ${dataDir}\n`);
    return exits.noInput;
  }
}

function describe(report: ReindexReport): string {
  const { parts, rows, requests, identities, replies, damaged, checkpoint, replayedRows } = report;
  const lines = [
    `Catalog built from ${parts} parts: ${rows} rows, of them ${requests} requests; ${identities} identities`,
    `Replies taken over from the old catalog: ${replies}`,
    `The journal will be read back from segment ${checkpoint}, passing over ${replayedRows} rows that are in parts`,
  ];
  if (damaged > 0) lines.push(`Parts that could not be read, moved to quarantine/parts/: ${damaged}`);
  return lines.join("\n") + "\n";
}
