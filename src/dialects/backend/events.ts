/**
 * The events of one batch as bytes that can stand in a line: one JSON array, no line break in it.
 * @module
 */

import { createHash } from "node:crypto";
import { skipBlanks } from "../../flush/json_members.ts";
import type { SentBatch } from "./batches.ts";
import { isJsonArray } from "./json_array.ts";
import { EntryRefusal } from "./refusal.ts";
import { mendSurrogates } from "../surrogates.ts";

const closeBracket = 0x5d;
const hashBytes = 6;
const encoder = new TextEncoder();
/** An escape that is half of a pair, perhaps a whole one with the next. */
const surrogateEscape = /\\u[dD][89a-fA-F]/;

/** The events of one batch. */
export interface Events {
  /** From `[` to `]`. */
  readonly bytes: Uint8Array;
  readonly isEmpty: boolean;
}

/** What is known of the entry that a batch came in. */
export interface EventsScene {
  /** How deep the arrays and objects of a text may nest. */
  readonly maxDepth: number;
  /** May the entry's bytes hold escapes such as `\\u00e9`? */
  readonly hasUnicodeEscape: boolean;
}

/**
 * The events of a batch: copied from the entry where they are an array, decoded where they are text; halves of
 * surrogate pairs are mended, since a single one makes a whole part unreadable to engines.
 * @throws EntryRefusal `trace_not_json`, `trace_not_an_array`, or `validation` when they nest too deeply
 */
export function readEvents(batch: Pick<SentBatch, "events" | "locate">, scene: EventsScene): Events {
  const { events } = batch;
  if (typeof events === "string") return decodeEvents(events, scene.maxDepth);
  if (!Array.isArray(events)) throw notAnArray();
  const sent = batch.locate().view();
  const bytes = scene.hasUnicodeEscape ? sent.slice() : sent;
  if (scene.hasUnicodeEscape) mendSurrogates(bytes, 0, bytes.length);
  return { bytes, isEmpty: events.length === 0 };
}

/** First 48 bits of SHA-256, as a number. */
export function hashOf(bytes: Uint8Array): number {
  return createHash("sha256").update(bytes).digest().readUIntBE(0, hashBytes);
}

function decodeEvents(text: string, maxDepth: number): Events {
  const bytes = encoder.encode(text);
  if (!isJsonArray(bytes, maxDepth)) throw refusalOf(text, maxDepth);
  if (surrogateEscape.test(text)) mendSurrogates(bytes, 0, bytes.length);
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

function notAnArray(): EntryRefusal {
  return new EntryRefusal("trace_not_an_array", "Trace must be an array, or JSON text of one");
}
