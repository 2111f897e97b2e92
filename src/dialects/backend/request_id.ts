/**
 * Which request an entry belongs to (contract `backend`, 2.2).
 * @module
 */

import { EntryRefusal } from "./refusal.ts";
import type { Entry } from "./schema.ts";

const maxCharacters = 256;
const onRequest = ["rid", "requestRid", "requestId"] as const;
const onEntry = ["requestRid", "request_id", "requestId", "rid", "traceRid", "reqRid"] as const;

/**
 * The request id of an entry: the first candidate that is not blank, trimmed.
 * @throws EntryRefusal `validation` when it is too long or no text that can be stored
 */
export function requestIdOf(entry: Entry): string | undefined {
  const { request } = entry;
  if (request) {
    for (const name of onRequest) {
      const rid = asRequestId(request[name]);
      if (rid !== undefined) return rid;
    }
  }
  for (const name of onEntry) {
    const rid = asRequestId(entry[name]);
    if (rid !== undefined) return rid;
  }
  return undefined;
}

/**
 * A value as a request id: texts trimmed, numbers as text; undefined for what is blank or neither.
 * @throws EntryRefusal `validation` when it is too long or no text that can be stored
 */
export function asRequestId(value: unknown): string | undefined {
  const rid = typeof value === "string" ? value.trim() : Number.isFinite(value) ? String(value) : "";
  if (rid === "") return undefined;
  if (rid.length > maxCharacters) {
    throw new EntryRefusal(
      "validation",
      `Request id must have at most ${maxCharacters} characters: current length is ${rid.length}`,
    );
  }
  if (!rid.isWellFormed()) {
    throw new EntryRefusal("validation", "Request id must be well-formed: half of a surrogate pair was sent");
  }
  return rid;
}
