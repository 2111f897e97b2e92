/**
 * Settings of the wire dialects.
 * @module
 */

import { choice, integer, maxSpanMs, section, size, textField } from "../fields.ts";
import { dayMs, giB, maxBytes, miB, minuteMs, optionalPath, path } from "./rules.ts";

const batchOfEvents = {
  max_batch_rows: integer("Events in one batch; NDJSON has no limit", {
    min: 1,
    max: 1_000_000,
    fallback: 2000,
  }),
  max_batch_bytes: size("Bytes of one batch after decoding; past it 413", {
    min: 1,
    max: maxBytes,
    fallback: 10 * miB,
  }),
};

/** Section `track`. */
export const track = section("Analytics events", {
  ...batchOfEvents,
  max_event_age_ms: integer("Events older than this are refused", {
    min: 0,
    max: maxSpanMs,
    fallback: 5 * dayMs,
  }),
  max_future_ms: integer("An event further in the future than this gets its time of arrival", {
    min: 0,
    max: maxSpanMs,
    fallback: minuteMs,
  }),
  salt_keep_days: integer("Days for which the salt of device ids is kept", {
    min: 1,
    max: 3650,
    fallback: 7,
  }),
  duplicate_window_ms: integer(
    "The same event posted again by a page within this time is stored once; 0 stores both",
    { min: 0, max: 60_000, fallback: 100 },
  ),
  geo_database: textField("MaxMind file (.mmdb) with cities or countries; empty for no geo columns", {
    ...optionalPath,
    fallback: "",
  }),
});

/** Section `backend`. */
export const backend = section("Backend trace entries", {
  max_body_bytes: size("Bytes of one body after decoding; past it 413", {
    min: 1,
    max: maxBytes,
    fallback: 20 * miB,
  }),
  max_entries: integer("Entries in one body", { min: 1, max: 1_000_000, fallback: 2000 }),
});

/** Section `trace_files`. */
export const traceFiles = section("Trace files: text and JSON written as they are, each to its own path", {
  root: textField("Folder of trace files; relative to data_dir", { ...path, fallback: "files" }),
  max_batch_size: integer("Files in one batch; past it 400", { min: 1, max: 100_000, fallback: 100 }),
  max_body_bytes: size("Bytes of one body after decoding; past it 413", {
    min: 1,
    max: giB,
    fallback: 20 * miB,
  }),
  max_file_bytes: size("Bytes of one file; a larger one is refused, the others of its batch are not", {
    min: 1,
    max: giB,
    fallback: 8 * miB,
  }),
  names: choice(
    "A file name with a path in it: strict refuses that file; basename takes its last segment for the name",
    { words: ["strict", "basename"], fallback: "strict" },
  ),
  max_trace_files: integer("Files kept in one directory, the oldest go first; 0 keeps all", {
    min: 0,
    max: 100_000_000,
    fallback: 0,
  }),
  max_file_age_ms: integer("Files older than this are removed; 0 keeps them", {
    min: 0,
    max: maxSpanMs,
    fallback: 0,
  }),
});

/** Section `test_events`. */
export const testEvents = section("Test-run events", {
  ...batchOfEvents,
  max_message_bytes: size("Bytes of one message over Connect or gRPC-Web", {
    min: 1,
    max: giB,
    fallback: 16 * miB,
  }),
  max_feeds: integer("Live feeds of runs that may be open at once; past it 503", {
    min: 0,
    max: 100_000,
    fallback: 100,
  }),
});
