/**
 * What the index asks the catalog: point look-ups on what was flushed, and one walk over all identities.
 * @module
 */

import type { IdentityMemo } from "../base/identity.ts";
import type { KeptReply } from "../base/record.ts";
import type { JournalPosition } from "../journal/segment.ts";

/**
 * The state as of the last flush. Every look-up is synchronous, and sees a flush as soon as it is committed: no
 * statement may stay open between two calls, because an open one keeps its whole connection in the past.
 */
export interface CatalogReader {
  /** The key of this data_dir's `IdentityHash`. */
  identitySecret(): Uint8Array;

  /**
   * What the first row with this identity was answered; undefined when none was flushed, or it expired.
   * @param digests Its digest are the words from number `at` on.
   */
  identity(digests: Int32Array, at: number): IdentityMemo | undefined;

  /**
   * The digest of every identity that was flushed before the walk began, some at a time and one behind the other;
   * those flushed meanwhile may be left out. The walk is paused for as long as the caller likes, so it reads page by
   * page.
   */
  identityDigests(): Iterable<Int32Array>;

  /** The reply kept for this key; an expired one may still be answered. */
  reply(key: string): KeptReply | undefined;

  /** The batches of a request that lie in parts, index to hash of the youngest; nothing when there are none. */
  flushedBatches(app: string, sid: string, rid: string): Map<number, number> | undefined;

  /**
   * The last place in the journal of what parts hold of a request, as a plan named it: every record of the request
   * up to there is in a part or was replaced by one that is.
   */
  flushedThrough(app: string, sid: string, rid: string): JournalPosition | undefined;

  /** The state of a profile or group as JSON, by its `entityKey`; undefined when it is not known. */
  entity(key: string): string | undefined;

  /** Is this row's line in a part, though its segment is not before the checkpoint? Only after a rebuild. */
  isReplayed(line: Uint8Array): boolean;
}
