/**
 * Limits of one request, from the route's shape and the configuration.
 * @module
 */

import type { Config } from "../config/schema.ts";
import type { BodyShape } from "../dialects/dialect.ts";
import type { RowLimits } from "../parse/window.ts";
import { contentLength } from "./body.ts";

/** What the rows of a body may be. */
export function rowLimits(shape: BodyShape, limits: Config["limits"]): RowLimits {
  const { maxRows, maxRowBytes = limits.max_row_bytes } = shape;
  return {
    maxRows,
    maxRowBytes,
    maxDepth: limits.max_depth,
    // A body that may be a single row has it where other bodies have their envelope.
    maxEnvelopeBytes: shape.single ? maxRowBytes : limits.max_envelope_bytes,
    windowRows: limits.window_rows,
    windowBytes: limits.window_bytes,
    maxBodyBytes: shape.maxBytes,
  };
}

/** Memory for each byte of a JSON body: itself once, and what its rows become. */
const heldPerByte = 3;

/** Bytes that a request will hold: in proportion to what it announces; for a stream, a few windows. */
export function firstHold(
  headers: Headers,
  of: { shape: BodyShape; format: "json" | "ndjson"; limits: Config["limits"] },
): number {
  if (of.format === "ndjson") return 2 * of.limits.window_bytes;
  const announced = contentLength(headers) ?? 65_536;
  return heldPerByte * Math.min(announced, of.shape.maxBytes);
}

/** Room for the records of a body that holds so many bytes in all. */
export function unitBytes(heldBytes: number): number {
  return Math.ceil((heldBytes * 2) / heldPerByte) + 1_024;
}
