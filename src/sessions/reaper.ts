/**
 * Ends sessions whose time has come: writes session_end and the session's row.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { describeError, type Log } from "../base/log.ts";
import { Unit } from "../base/record.ts";
import type { Indexes } from "../index/indexes.ts";
import type { Journal } from "../journal/append.ts";
import type { Session } from "./session.ts";
import type { Ending, SessionBook } from "./session_book.ts";
import { writeEnd, writeLaterStart, writeSession } from "./session_rows.ts";

/** Time between two looks. */
const tickMs = 500;
/** Sessions ended in one unit: some 600 bytes each. */
const sessionsPerUnit = 200;
/** After a journal that took nothing. */
const pauseMs = 10_000;
/** A session that could not be ended is looked at again after this. */
const retryMs = 1_000;

/** What {@link Reaper} works with. */
export interface ReaperOptions {
  readonly book: SessionBook;
  readonly journal: Pick<Journal, "append">;
  readonly indexes: Pick<Indexes, "place" | "release">;
  /** Told when rows were stored. */
  readonly stored: () => void;
  /** Sessions that may be open. */
  readonly maxOpen: () => number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Looks at the sessions whose time has come, every half a second. */
export class Reaper {
  readonly #options: ReaperOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<number> | undefined;
  #stopped = false;

  constructor(options: ReaperOptions) {
    this.#options = options;
  }

  /** Begins to look. */
  start(waitMs = tickMs): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.#tick(), waitMs);
    Deno.unrefTimer(this.#timer);
  }

  /** Ends after the look that is under way. Sessions that are open stay so until the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running?.catch(() => undefined);
  }

  /**
   * Ends every session whose time has come, and those that are too many.
   * @returns how many
   * @throws what the journal throws; the sessions stay open then, and are looked at again
   */
  reap(): Promise<number> {
    this.#running ??= this.#reap().finally(() => this.#running = undefined);
    return this.#running;
  }

  async #reap(): Promise<number> {
    const { book, clock, maxOpen } = this.#options;
    let ended = 0;
    while (!this.#stopped) {
      const excess = book.count - maxOpen();
      const due = book.wheel.take(clock.now(), sessionsPerUnit);
      const early = due.length === 0 && excess > 0
        ? book.wheel.takeFirst(Math.min(excess, sessionsPerUnit))
        : [];
      if (due.length + early.length === 0) break;
      const count = await this.#end([...due.filter((session) => this.#isDue(session)), ...early]);
      // What is too many and cannot be ended is in use.
      if (early.length > 0 && count === 0) break;
      ended += count;
    }
    return ended;
  }

  /** Has its time come? If not, it is put back. */
  #isDue(session: Session): boolean {
    const { book, clock } = this.#options;
    if (!session.isOpen) {
      book.retire(session);
      return false;
    }
    const now = clock.now();
    const dueAt = session.pending > 0 ? now + retryMs : book.dueAt(session);
    if (dueAt > now) book.wheel.put(session, dueAt);
    return dueAt <= now;
  }

  async #end(sessions: readonly Session[]): Promise<number> {
    const { book, journal, indexes, stored, clock } = this.#options;
    const endings: Ending[] = [];
    const unit = new Unit(1_024 * Math.max(1, sessions.length));
    for (const session of sessions) {
      if (!session.isOpen) {
        book.retire(session);
        continue;
      }
      if (session.pending > 0) {
        book.wheel.put(session, clock.now() + retryMs);
        continue;
      }
      endings.push(writeEnding(session, unit));
    }
    if (endings.length === 0) return 0;
    book.reserveEndings(unit, endings);
    await journal.append({
      bytes: unit.writer.view(),
      placed: (at) => indexes.place(unit, at),
      released: () => indexes.release(unit),
    });
    stored();
    return endings.length;
  }

  #tick(): void {
    this.reap().then(() => this.start(), (error) => {
      this.#options.log.warn("Sessions could not be ended; they are tried again", {
        error: describeError(error),
      });
      this.start(pauseMs);
    });
  }
}

/** Adds the rows of a session's end to the unit. */
function writeEnding(session: Session, unit: Unit): Ending {
  const { fold } = session;
  const version = session.version + 1;
  const of = { session, version, fence: 0 };
  if (fold.firstT < session.startT) writeLaterStart(of, fold, unit);
  writeEnd(of, fold, unit);
  writeSession(of, fold, unit);
  return { session, version, startT: fold.firstT };
}
