/**
 * The events of one batch as bytes that can stand in a line: one JSON array, no line break in it.
 * @module
 */

import { createHash } from "node:crypto";
import { skipBlanks } from "../../flush/json_members.ts";
import type { SentBatch } from "./batches.ts";
import { isJsonArray } from "./json_array.ts";
import { EntryRefusal } from "./refusal.ts";

const closeBracket = 0x5d;
const hashBytes = 6;
const encoder = new TextEncoder();

/** The events of one batch. */
export interface Events {
  /** From `[` to `]`. */
  readonly bytes: Uint8Array;
  readonly isEmpty: boolean;
}

/**
 * The events of a batch: copied from the entry where they are an array, decoded where they are text.
 * @param maxDepth How deep the arrays and objects of a text may nest.
 * @throws EntryRefusal `trace_not_json`, `trace_not_an_array`, or `validation` when they nest too deeply
 */
export function readEvents(batch: Pick<SentBatch, "events" | "locate">, maxDepth: number): Events {
  const { events } = batch;
  if (typeof events === "string") return decodeEvents(events, maxDepth);
  if (!Array.isArray(events)) throw notAnArray();
  return { bytes: batch.locate().view(), isEmpty: events.length === 0 };
}

/** First 48 bits of SHA-256, as a number. */
export function hashOf(bytes: Uint8Array): number {
  return createHash("sha256").update(bytes).digest().readUIntBE(0, hashBytes);
}

function decodeEvents(text: string, maxDepth: number): Events {
  // UTF-8 has no halves of surrogate pairs: they stay what they were as escapes.
  const bytes = encoder.encode(text.isWellFormed() ? text : text.replace(/\p{Surrogate}/gu, escapeUnit));
  if (!isJsonArray(bytes, maxDepth)) throw refusalOf(text, maxDepth);
  const start = skipBlanks(bytes, 0);
  return {
    bytes: bytes.subarray(start, bytes.lastIndexOf(closeBracket) + 1),
    isEmpty: bytes[skipBlanks(bytes, start + 1)] === closeBracket,
  };
}

/** Why this text is no trace. */
function refusalOf(text: string, maxDepth: number): EntryRefusal {
  try {
    if (!Array.isArray(JSON.parse(text))) return notAnArray();
  } catch {
    return new EntryRefusal("trace_not_json", "Trace must be an array, or text that is JSON");
  }
  return new EntryRefusal("validation", `Trace nests deeper than limits.max_depth: ${maxDepth}`);
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16)}`;
}

function notAnArray(): EntryRefusal {
  return new EntryRefusal("trace_not_an_array", "Trace must be an array, or JSON text of one");
}
