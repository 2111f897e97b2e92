/**
 * What a flush is asked to write and what it answers: plain data, posted to the flush worker and back.
 * Positions are offsets in bytes from the start of a segment file.
 * @module
 */

import type { IdentityPage } from "./identity_page.ts";

/** Numbers for each extent in {@link RowsPlan.extents}. */
export const rowExtentStride = 4;
/** Numbers for each batch in {@link RequestPlan.batches}. */
export const batchStride = 6;
/** Numbers for each piece of metadata in {@link RequestPlan.metas}. */
export const metaStride = 3;

/** The rows of one partition, as runs of whole lines in the journal. */
export interface RowsPlan {
  /** Folder below data_dir, such as `events/project=p/date=2026-11-20`. */
  readonly partition: string;
  /** For each run: segment, offset, length, rows. */
  readonly extents: Float64Array;
}

/** One request (one rid) to be written as one line. */
export interface RequestPlan {
  readonly app: string;
  readonly sid: string;
  readonly rid: string;
  /** For each batch, ascending by index: index, segment, offset of `[`, length of the events, hash, 1 if assumed. */
  readonly batches: Float64Array;
  /** For each `request` record, in order of arrival: segment, offset, length of its line. */
  readonly metas: Float64Array;
  /** Declared number of batches, or -1. */
  readonly total: number;
  /** Batches that were replaced by others with the same index. */
  readonly replaced: number;
  /** Time of the first entry, ms since the epoch; gives the partition's date. */
  readonly firstT: number;
  readonly lastT: number;
}

/**
 * Requests in few objects, because copying an object for each of them to a worker would hold up the main thread ten
 * times as long (measured: 80 ms for 16,000 requests, against 7). See `packed_requests.ts`.
 */
export interface PackedRequests {
  /** For each request: app, sid, rid. */
  readonly names: string[];
  /**
   * For each request: total, replaced, firstT, lastT, number of batches, number of metas; then the batches, then
   * the metas, as in {@link RequestPlan}.
   */
  readonly numbers: Float64Array;
}

/** The state of a session, as the catalog keeps it. */
export interface SessionSnapshot {
  readonly id: string;
  readonly isOpen: boolean;
  /** Arrival of its last event, ms since the epoch. */
  readonly receivedAt: number;
  /** The last frame of the journal that is in it. */
  readonly through: { readonly segment: number; readonly offset: number };
  /** JSON. */
  readonly state: string;
}

/** A session as a flush sees it: its snapshot may be taken at any time until the flush is over. */
export interface SessionSource {
  snapshot(): SessionSnapshot;
}

/** Everything one flush writes. */
export interface FlushPlan {
  /** Number of the first segment that this flush does not cover; names its parts. */
  readonly checkpoint: number;
  readonly rows: RowsPlan[];
  readonly requests: PackedRequests;
  /** Runs of `reply` lines, as in {@link RowsPlan.extents}. */
  readonly replies: Float64Array;
  /** Identities of these rows, those that are placed; posted by themselves. */
  readonly identities: readonly IdentityPage[];
  /** Sessions that changed; they are posted by themselves, as snapshots. */
  readonly sessions: readonly SessionSource[];
  /** More requests are due than one flush takes: flush again at once, in the same mode. */
  readonly more: boolean;
}

/** One finished part. */
export interface PartInfo {
  /** Below data_dir. */
  readonly path: string;
  readonly partition: string;
  readonly rows: number;
  /** Size on disk. */
  readonly bytes: number;
  readonly checkpoint: number;
  /** Wall clock, ms since the epoch. */
  readonly writtenAt: number;
}
