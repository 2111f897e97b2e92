/**
 * `weir export RID`: a request as a file for other tools.
 * @module
 */

import { exportFormats, type ExportName } from "../traces/exports.ts";
import { findRequest, openExport, ReadError, readFlagSpecs, targetOf } from "./daemon_reads.ts";
import { describeFlags, type FlagSpecs, parseFlags, reportFailure, UsageError } from "./flags.ts";
import type { CliIo } from "./io.ts";

const names = Object.keys(exportFormats) as ExportName[];

const flagSpecs = {
  format: { value: names.join("|"), text: "The form (chrome)" },
  output: { value: "FILE", text: "Write there instead of standard output" },
  ...readFlagSpecs,
} as const satisfies FlagSpecs;

const usage = `Usage: weir export RID [--format ${names.join("|")}] [flags]

Writes a request of a running daemon, as it is made: its size does not matter.
chrome opens in Perfetto (ui.perfetto.dev), chrome://tracing and speedscope;
speedscope in speedscope.app; otlp is what an OTLP/HTTP receiver takes on
/v1/traces; ndjson is one event a line, as it was sent.

Exit code: 0, 1 when there is no such request, 64 for a wrong command line, 69
when the daemon cannot be reached or refuses.

${describeFlags(flagSpecs)}`;

/** Runs the verb. */
export async function exportVerb(args: string[], io: CliIo): Promise<number> {
  try {
    const { values, on, operands } = parseFlags(args, flagSpecs);
    if (on.has("help")) {
      io.stdout(usage);
      return 0;
    }
    if (operands.length !== 1) throw new UsageError("export needs one request id");
    const { format = "chrome", session, output } = values;
    if (!Object.hasOwn(exportFormats, format)) {
      throw new UsageError(`--format must be one of ${names.join(", ")}`);
    }
    const target = targetOf(values, io);
    const item = await findRequest(target, { rid: operands[0], session });
    const body = await openExport(target, { ...item, format });
    if (output !== undefined) await toFile(body, output);
    else await toStdout(body, io);
    return 0;
  } catch (error) {
    if (error instanceof ReadError) {
      io.stderr(`weir: ${error.message}\n`);
      return error.exitCode;
    }
    // Whoever read the output, such as `head`, has seen enough.
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    return reportFailure(error, io);
  }
}

async function toStdout(body: ReadableStream<Uint8Array>, io: CliIo): Promise<void> {
  const decoder = new TextDecoder();
  for await (const piece of body) io.stdout(decoder.decode(piece, { stream: true }));
}

async function toFile(body: ReadableStream<Uint8Array>, path: string): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  for await (const piece of body) {
    for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at));
  }
}
