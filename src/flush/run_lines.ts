/**
 * Walks the lines of a part of data/runs.
 * @module
 */

import { eventHash } from "../base/test_runs.ts";
import { ArraySplitter } from "./array_splitter.ts";
import {
  parseEvent,
  parseRunHead,
  runFrontBytes,
  type RunHead,
  runHeadBytes,
  runLineEnd,
} from "./run_line.ts";
import { gather, type Stretch, StretchReader } from "./stored_bytes.ts";

/** One line of a part. */
export interface RunLine {
  readonly head: RunHead;
  /** Where it, or the first compressed piece of it, begins in the part. */
  readonly offset: number;
  /** Bytes in the part. */
  readonly length: number;
  /** Bytes of its front, uncompressed. */
  readonly headBytes: number;
  /** For each of its events: position by arrival, and hash. */
  readonly batches: Float64Array;
}

/** The lines of a part, one after the other. @throws Error when it is damaged */
export async function* readRunLines(stretch: Stretch): AsyncGenerator<RunLine, void, undefined> {
  await using reader = new StretchReader(stretch);
  for (let at = 0;;) {
    const offset = await reader.offsetOf(at);
    if (offset === undefined) return;
    const front = await gather(reader.range(at, runFrontBytes), runFrontBytes);
    const headBytes = runHeadBytes(front);
    const bytes = new Uint8Array(headBytes);
    bytes.set(front);
    const rest = headBytes - runFrontBytes;
    bytes.set(await gather(reader.range(at + runFrontBytes, rest), rest), runFrontBytes);
    const head = parseRunHead(bytes);
    const splitter = new ArraySplitter();
    const batches: number[] = [];
    for await (const piece of reader.range(at + headBytes, head.event_bytes)) {
      for (const event of splitter.push(piece)) {
        const { n, id } = parseEvent(event);
        batches.push(n, eventHash(id));
      }
    }
    at += headBytes + head.event_bytes + runLineEnd.length;
    const end = await reader.offsetOf(at) ?? stretch.offset + stretch.length;
    yield { head, offset, length: end - offset, headBytes, batches: Float64Array.from(batches) };
  }
}
