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

/** Bytes that a request holds from its start: what it announces, but for a stream no more than two windows. */
export function firstHold(
  headers: Headers,
  of: { shape: BodyShape; format: "json" | "ndjson"; limits: Config["limits"] },
): number {
  const announced = contentLength(headers) ?? 65_536;
  const most = of.format === "ndjson" ? 2 * of.limits.window_bytes : of.shape.maxBytes;
  return Math.min(announced, most);
}
