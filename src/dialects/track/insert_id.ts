/**
 * The identity that a sender gave a row (contract `track`, Decision 8).
 * @module
 */

import type { TrackRow } from "./schema.ts";

/** The nearest to the row wins; undefined where there is none. */
export function insertIdOf(row: TrackRow, properties: Record<string, unknown>): string | undefined {
  const onPayload = row.type === "track" ? row.payload.insertId ?? row.payload.messageId : undefined;
  return row.insertId ?? onPayload ?? fitInsertId(properties.__insertId) ??
    fitInsertId(properties.$insert_id) ??
    row.messageId;
}

/** Among properties anything may stand; what is not fit to be an id is none. */
function fitInsertId(sent: unknown): string | undefined {
  if (typeof sent === "number") {
    return Number.isInteger(sent) && !Number.isSafeInteger(sent) ? undefined : String(sent);
  }
  return typeof sent === "string" && sent !== "" && sent.length <= 256 ? sent : undefined;
}
