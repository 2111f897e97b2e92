/**
 * What the indexes ask of whoever keeps the state of sessions. The state follows from the stored rows; a unit
 * passes here as it passes through the indexes.
 * @module
 */

import type { RecordKind, Unit } from "../base/record.ts";
import type { JournalPosition } from "../journal/segment.ts";
import type { SessionSnapshot, SessionSource } from "./plan.ts";
import type { IndexSize } from "./row_index.ts";

/** A row that was read back from the journal. */
export interface ReplayedRow {
  readonly kind: RecordKind;
  readonly columns: Readonly<Record<string, unknown>>;
  /** Of its frame. */
  readonly at: JournalPosition;
}

/** Keeps sessions; see `Indexes` for the life of a unit and of a flush. */
export interface SessionKeeper {
  /**
   * Right before the unit is given to the journal, repeats out of it already: adds what its sessions need.
   * @throws what the catalog throws; nothing is reserved then
   */
  reserve(unit: Unit): void;
  /**
   * Of a unit that is reserved: is the start or the end of one of its sessions on its way in another unit? Then it is
   * not to be stored before that one.
   */
  follows(unit: Unit): boolean;
  /** The unit is stored. */
  place(unit: Unit, at: JournalPosition): void;
  /** The journal refused the unit. */
  release(unit: Unit): void;
  /** A row was read back; a frame's rows come in order. */
  replay(row: ReplayedRow): void;
  /** The sessions that changed since the last plan. */
  plan(): readonly SessionSource[];
  committed(): void;
  failed(): void;
  size(): IndexSize;
}

/** What the catalog knows of sessions. */
export interface SessionReader {
  /** A session that was flushed, by its id. */
  session(id: string): SessionSnapshot | undefined;
  /** Those that were open at the last flush. */
  openSessions(): Iterable<SessionSnapshot>;
}
