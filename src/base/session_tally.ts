/**
 * What the rows of one unit say of one session, counted while they are written: nobody need read them again.
 * @module
 */

/** What one event tells of itself, as bits. */
export const Trait = {
  /** Has a path. */
  path: 1,
  /** Is a `screen_view` with a path. */
  view: 2,
  /** Names a profile. */
  profile: 4,
  /** Names groups. */
  groups: 8,
  /** Comes from another device than the session's: counts, and moves nothing. */
  guest: 16,
} as const;

/** One event of a session, as it lies in a unit. */
export interface TalliedEvent {
  /** Number of its record in the unit. */
  readonly record: number;
  /** Of the event, ms since the epoch. */
  readonly time: number;
  /** Bits of {@link Trait}. */
  readonly traits: number;
  /** 0 where there is none. */
  readonly revenue: number;
}

/** The events of one unit that belong to one session. Numbers of records are -1 where there is none. */
export class SessionTally<S = unknown> {
  readonly session: S;
  /** The unit's own tallies: tell which unit it is of, without holding on to the unit. */
  readonly siblings: ReadonlyMap<unknown, SessionTally>;
  /** Arrival of the unit, ms since the epoch. */
  readonly arrivedAt: number;
  events = 0;
  views = 0;
  revenue = 0;
  /** Of the session's own device; Infinity and -Infinity where none is. */
  firstT = Infinity;
  lastT = -Infinity;
  firstRecord = -1;
  /** Earliest and latest event with a path. */
  entryT = Infinity;
  exitT = -Infinity;
  entryRecord = -1;
  exitRecord = -1;
  /** The last one that names a profile. */
  profileRecord = -1;
  /** Those that name groups. */
  groupRecords: number[] | undefined;

  constructor(session: S, siblings: ReadonlyMap<unknown, SessionTally>, arrivedAt: number) {
    this.session = session;
    this.siblings = siblings;
    this.arrivedAt = arrivedAt;
  }

  /** Counts one event. */
  add({ record, time, traits, revenue }: TalliedEvent): void {
    if (revenue > 0) this.revenue += revenue;
    this.count(record, time, traits);
  }

  /** Counts one event without revenue. */
  count(record: number, time: number, traits: number): void {
    if ((traits & Trait.view) !== 0) this.views++;
    else this.events++;
    if ((traits & Trait.guest) !== 0) return;
    if (time < this.firstT) {
      this.firstT = time;
      this.firstRecord = record;
    }
    if (time > this.lastT) this.lastT = time;
    if ((traits & Trait.path) !== 0) {
      if (time < this.entryT) {
        this.entryT = time;
        this.entryRecord = record;
      }
      if (time >= this.exitT) {
        this.exitT = time;
        this.exitRecord = record;
      }
    }
    if ((traits & Trait.profile) !== 0) this.profileRecord = record;
    if ((traits & Trait.groups) !== 0) (this.groupRecords ??= []).push(record);
  }
}
