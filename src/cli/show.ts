/**
 * `weir show RID`: the calls of a request, in a terminal.
 * @module
 */

import { TextLineStream } from "@std/streams";
import { CallTree } from "../traces/call_tree.ts";
import { callLines, plainText } from "./call_lines.ts";
import {
  findRequest,
  type ListedItem,
  openExport,
  ReadError,
  readFlagSpecs,
  targetOf,
} from "./daemon_reads.ts";
import { describeFlags, type FlagSpecs, parseFlags, reportFailure, UsageError } from "./flags.ts";
import type { CliIo } from "./io.ts";

const flagSpecs = {
  depth: { value: "N", text: "Show calls down to this depth (all)" },
  lines: { value: "N", text: "Show so many calls at most (2000)" },
  values: { value: "N", text: "Characters of arguments and results (60)" },
  ...readFlagSpecs,
} as const satisfies FlagSpecs;

const usage = `Usage: weir show RID [flags]

Shows what a request of a running daemon did: every call below the one that made
it, with arguments, result or error (✗), duration and place. Calls that nobody
awaited, that never ended or that ended after their caller are marked.

Exit code: 0, 1 when there is no such request, 64 for a wrong command line, 69
when the daemon cannot be reached or refuses.

${describeFlags(flagSpecs)}`;

const maxTitle = 200;

/** Runs the verb. */
export async function showVerb(args: string[], io: CliIo): Promise<number> {
  try {
    const { values, on, operands } = parseFlags(args, flagSpecs);
    if (on.has("help")) {
      io.stdout(usage);
      return 0;
    }
    if (operands.length !== 1) throw new UsageError("show needs one request id");
    const options = {
      maxDepth: countOf("depth", values.depth, Infinity),
      maxLines: countOf("lines", values.lines, 2_000),
      maxValue: countOf("values", values.values, 60),
    };
    const target = targetOf(values, io);
    const item = await findRequest(target, { rid: operands[0], session: values.session });
    io.stdout(headerOf(item));
    const tree = new CallTree();
    const body = await openExport(target, { ...item, format: "ndjson" });
    const lines = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
      .pipeThrough(new TextLineStream());
    for await (const line of lines) if (line.trim() !== "") tree.push(JSON.parse(line));
    for (const line of callLines(tree.finish(), options)) io.stdout(line + "\n");
    return 0;
  } catch (error) {
    if (error instanceof ReadError) {
      io.stderr(`weir: ${error.message}\n`);
      return error.exitCode;
    }
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    return reportFailure(error, io);
  }
}

function headerOf(item: ListedItem): string {
  const { key, method, url, requestRid, status, durMs, sessionId, actionId, firstT, batches, total } = item;
  const title = key ?? (url === null ? requestRid : `${method ?? ""} ${url}`.trim());
  const facts = [
    ...(status === null ? [] : [String(status)]),
    ...(durMs === null ? [] : [`${durMs} ms`]),
    new Date(firstT).toISOString(),
    `session ${sessionId}`,
    ...(actionId === null ? [] : [`action ${actionId}`]),
  ];
  const have = total === undefined
    ? `${batches} batches, no total announced`
    : `${batches} of ${total} batches${item.missingCount > 0 ? `, ${item.missingCount} missing` : ""}`;
  const lines = [plainText(title, maxTitle), plainText(facts.join("   "), maxTitle * 2), have];
  return lines.join("\n") + "\n\n";
}

function countOf(flag: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value >= 1) return value;
  throw new UsageError(`--${flag} must be a number from 1 on: current value is ${text}`);
}
