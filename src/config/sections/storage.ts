/**
 * Settings of what is kept: journal, index, parts, identities, the disk.
 * @module
 */

import { choice, integer, maxSpanMs, section, size, timer } from "../fields.ts";
import { dayMs, giB, kiB, maxBytes, miB, minuteMs } from "./rules.ts";

/** Section `journal`. */
export const journal = section("Segments that hold rows until they are flushed", {
  segment_bytes: size("A segment of this size is followed by the next one", {
    min: kiB,
    max: 2 * giB,
    fallback: 64 * miB,
  }),
  max_held_bytes: size(
    "Bytes of segments that are not flushed; past it 503 until a flush has made room",
    { min: kiB, max: maxBytes, fallback: giB },
  ),
});

/** Section `index`. */
export const index = section("What is held in memory about rows that are not flushed", {
  max_requests: integer("Open trace requests; past it the oldest are flushed early", {
    min: 1,
    max: 100_000_000,
    fallback: 1_000_000,
  }),
  max_bytes: size("Estimated memory; past it the oldest are flushed early", {
    min: kiB,
    max: maxBytes,
    fallback: 512 * miB,
  }),
});

/** Section `traces`. */
export const traces = section("Requests made of trace batches", {
  idle_ms: timer("A request for which nothing came for this long is written as it is", { fallback: 30_000 }),
});

/** Section `flush`. */
export const flush = section("Writing parts", {
  interval_ms: timer("Time between two flushes", { fallback: 10_000 }),
  journal_bytes: size("A flush starts early once the journal holds this much", {
    min: 1,
    max: maxBytes,
    fallback: 64 * miB,
  }),
  compression: choice("How parts are compressed", { words: ["none", "gzip", "zstd"], fallback: "none" }),
});

/** Section `retention`. */
export const retention = section("Removing old parts", {
  max_age_ms: integer("Parts older than this are removed; 0 keeps them", {
    min: 0,
    max: maxSpanMs,
    fallback: 0,
  }),
  max_bytes: size("The oldest parts are removed until all together are below this; 0 keeps them", {
    min: 0,
    max: maxBytes,
    fallback: 0,
  }),
  interval_ms: timer("Time between two looks at the parts", { fallback: minuteMs }),
});

/** Section `quarantine`. */
export const quarantine = section("What was damaged and set aside", {
  max_age_ms: integer("Files set aside longer ago are removed, but none within a day; 0 keeps them", {
    min: 0,
    max: maxSpanMs,
    fallback: 0,
  }),
  max_bytes: size("The oldest files are removed until all together are below this; 0 keeps them", {
    min: 0,
    max: maxBytes,
    fallback: 1024 * miB,
  }),
});

/** Section `identities`. */
export const identities = section("Recognising a row that was sent before", {
  keep_ms: integer("How long the identity of a row is remembered", {
    min: 0,
    max: maxSpanMs,
    fallback: 5 * dayMs + 30 * minuteMs,
  }),
});

/** Section `idempotency`. */
export const idempotency = section("Recognising a request that was sent before, by its Idempotency-Key", {
  keep_ms: integer("How long a reply is kept for a repeat; 0 keeps none", {
    min: 0,
    max: maxSpanMs,
    fallback: dayMs,
  }),
});

/** Section `disk`. */
export const disk = section("The disk under data_dir", {
  min_free_bytes: size("With less free space than this nothing is taken any more (503)", {
    min: 0,
    max: maxBytes,
    fallback: 64 * miB,
  }),
});
