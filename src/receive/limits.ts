/**
 * Limits of one request, from the route's shape and the configuration.
 * @module
 */

import { pooledBytes } from "../base/buffer_pool.ts";
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

/** Most bytes of a buffer in which chunks are laid end to end, where rows are of common size. */
const spanBytes = 192 * 1024;
/** Bytes for which room is made where no length is announced. */
const unannouncedBytes = 64 * 1024;

/** What a request will need. */
export interface Room {
  /** All of it. */
  readonly bytes: number;
  /** Of these, for the records of a JSON body: common rows become no more than twice as long. */
  readonly unitBytes: number;
  /** What the request says of its length, if anything. */
  readonly announced: number | undefined;
}

/**
 * The room that a request is given: the buffers for what it announces; for a stream, a few windows. Whoever is let in
 * should not need more later, because a body that is refused once it was read was read in vain.
 */
export function firstHold(
  headers: Headers,
  of: { shape: BodyShape; format: "json" | "ndjson"; limits: Config["limits"] },
): Room {
  if (of.format === "ndjson") {
    return { bytes: 2 * of.limits.window_bytes, unitBytes: 0, announced: undefined };
  }
  const announced = contentLength(headers);
  const bodyBytes = Math.min(announced ?? unannouncedBytes, of.shape.maxBytes);
  const unitBytes = 2 * bodyBytes + 1_024;
  return { bytes: pooledBytes(unitBytes) + Math.min(2 * bodyBytes, spanBytes), unitBytes, announced };
}
