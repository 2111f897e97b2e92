/**
 * A request as exports see it.
 * @module
 */

/** What an export is made from. */
export interface TracedRequest {
  readonly app: string;
  readonly sid: string;
  readonly rid: string;
  /** Time of its first and its last entry, ms since the epoch. */
  readonly firstT: number;
  readonly lastT: number;
  readonly complete: boolean;
  readonly missingCount: number;
  /** Columns of its metadata. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** All events in order: the bytes of one JSON array. May be called more than once. */
  events(): AsyncIterable<Uint8Array>;
}

/** How the request is called for people: its key, or method and address, or its id. */
export function titleOf({ rid, fields }: Pick<TracedRequest, "rid" | "fields">): string {
  const { key, method, url } = fields;
  if (typeof key === "string" && key !== "") return key;
  if (typeof url === "string" && url !== "") return typeof method === "string" ? `${method} ${url}` : url;
  return rid;
}
