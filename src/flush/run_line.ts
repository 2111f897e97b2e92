/**
 * A run's line in data/runs: what is known of the run, then the events that are new in this line.
 * @module
 */

import { type StoredTestEvent } from "../base/test_runs.ts";
import type { RunModel } from "./run_model.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const headBytesDigits = 12;
const front = `{"kind":"run","head_bytes":`;
/** So many bytes of a line are enough for {@link runHeadBytes}. */
export const runFrontBytes = front.length + headBytesDigits;
/** What stands behind the events. */
export const runLineEnd = encoder.encode("]}\n");

/** What a line says besides the run itself. */
export interface RunLineFacts {
  readonly project: string;
  /** How many lines the run had before; of several lines the one with the highest tells how the run is. */
  readonly part: number;
  readonly firstT: number;
  readonly lastT: number;
  /** Last place in the journal that is in this line. */
  readonly through: { readonly segment: number; readonly offset: number };
  /** Events in this line. */
  readonly events: number;
  /** Their bytes, joined with commas. */
  readonly eventBytes: number;
}

/** The front of a line as it stands in a part, parsed, with the events left out. */
export interface RunHead extends RunModel {
  readonly head_bytes: number;
  readonly project: string;
  readonly part: number;
  readonly version: number;
  readonly first_t: number;
  readonly last_t: number;
  /** Segment and offset. */
  readonly journal: readonly [number, number];
  readonly event_count: number;
  /** Of the events, without brackets. */
  readonly event_bytes: number;
}

/** The front of a line, up to and with the `[` of its events. */
export function formatRunHead(model: RunModel, facts: RunLineFacts): Uint8Array<ArrayBuffer> {
  const { run_id, ...rest } = model;
  const head = {
    project: facts.project,
    run_id,
    part: facts.part,
    version: facts.part + 1,
    event_count: facts.events,
    event_bytes: facts.eventBytes,
    first_t: facts.firstT,
    last_t: facts.lastT,
    journal: [facts.through.segment, facts.through.offset],
    ...rest,
  };
  const tail = encoder.encode(`,${JSON.stringify(head).slice(1, -1)},"events":[`);
  const bytes = new Uint8Array(runFrontBytes + tail.length);
  encoder.encodeInto(front + String(bytes.length).padEnd(headBytesDigits), bytes);
  bytes.set(tail, runFrontBytes);
  return bytes;
}

/** How long the front of a line is, from its first {@link runFrontBytes}; NaN when it is no line of a run. */
export function runHeadBytes(bytes: Uint8Array): number {
  const text = decoder.decode(bytes.subarray(0, runFrontBytes));
  return text.startsWith(front) ? Number(text.slice(front.length)) : NaN;
}

/** Parses the front of a line. @throws SyntaxError */
export function parseRunHead(head: Uint8Array): RunHead {
  return JSON.parse(decoder.decode(head) + "]}");
}

/** An event from its bytes. @throws SyntaxError */
export function parseEvent(bytes: Uint8Array): StoredTestEvent {
  return JSON.parse(decoder.decode(bytes));
}
