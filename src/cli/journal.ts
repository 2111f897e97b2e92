/**
 * `weir journal FILE`: what does a segment of the journal hold, and is it whole? The format: docs/journal.md.
 * @module
 */

import { errorCode } from "../journal/files.ts";
import { type Gap, readPieces } from "../journal/resync.ts";
import type { StoredFrame } from "../journal/segment.ts";
import { describeFlags, type FlagSpecs, parseFlags, reportFailure, UsageError } from "./flags.ts";
import type { CliIo } from "./io.ts";

const flagSpecs = {
  frames: { text: "One line for each frame instead: offset and length of its payload" },
} as const satisfies FlagSpecs;

/** EX_NOINPUT of sysexits. */
const unreadableExit = 66;

const usage = `Usage: weir journal FILE [--frames]

Prints the record lines of one segment, such as data/journal/0000000000000001.wal.
Where something is no whole frame, says so on standard error and reads on behind it.

Exit code: 0 when the segment is whole, 1 when it is not, 64 for a wrong command
line, 66 when the file cannot be read.

${describeFlags(flagSpecs)}`;

/** Runs the verb. */
export async function journalVerb(args: string[], io: CliIo): Promise<number> {
  try {
    const { on, operands } = parseFlags(args, flagSpecs);
    if (on.has("help")) {
      io.stdout(usage);
      return 0;
    }
    if (operands.length !== 1) throw new UsageError(`journal needs one file: ${operands.length} given`);
    return await printSegment(operands[0], { io, print: on.has("frames") ? describeFrame : recordLines });
  } catch (error) {
    return reportFailure(error, io);
  }
}

interface PrintOptions {
  readonly io: CliIo;
  /** The text for one frame. */
  readonly print: (frame: StoredFrame) => string;
}

async function printSegment(path: string, { io, print }: PrintOptions): Promise<number> {
  let whole = true;
  try {
    for await (const piece of readPieces(path)) {
      if ("frame" in piece) io.stdout(print(piece.frame));
      else {
        whole = false;
        io.stderr(`weir: ${path}: ${describeGap(piece.gap)}\n`);
      }
    }
  } catch (error) {
    // Whoever read the output, such as `head`, has seen enough.
    if (error instanceof Deno.errors.BrokenPipe) return whole ? 0 : 1;
    io.stderr(`weir: Cannot read ${path}: ${errorCode(error)}\n`);
    return unreadableExit;
  }
  return whole ? 0 : 1;
}

function recordLines({ payload }: StoredFrame): string {
  return new TextDecoder().decode(payload);
}

function describeFrame({ offset, payload }: StoredFrame): string {
  return `offset=${offset} length=${payload.length} crc=ok\n`;
}

function describeGap({ from, to, atEnd, end, reason }: Gap): string {
  const behind = atEnd ? "nothing whole behind it" : `read on at ${to}`;
  return `${end} at ${from}: ${reason}: ${to - from} bytes skipped, ${behind}`;
}
