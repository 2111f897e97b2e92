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
import { writeLastSeen } from "./profile_rows.ts";
import type { SessionFold } from "./session_fold.ts";
import { writeEnd, writeLaterStart, writeSession } from "./session_rows.ts";
import { type ClosingAnswer, type SharedSessions, tellingMs } from "./shared_sessions.ts";

/** Time between two looks. */
const tickMs = 500;
/** Sessions ended in one unit: some 600 bytes each. */
const sessionsPerUnit = 200;
/** After a journal that took nothing. */
const pauseMs = 10_000;
/**
 * Requests that race bring a session's first events in any order: a session_start that stands for an event so little
 * later than the first one is not written again.
 */
const startSlackMs = 1_000;
/** A session that could not be ended is looked at again after this. */
const retryMs = 1_000;

/** What {@link Reaper} works with. */
export interface ReaperOptions {
  readonly book: SessionBook;
  readonly journal: Pick<Journal, "append">;
  readonly indexes: Pick<Indexes, "place" | "release">;
  /** The other daemons; undefined where there are none. */
  readonly shared?: Pick<SharedSessions, "close" | "ended" | "notEnded">;
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
      // Of those in memory, some wait for a flush, and some were begun by requests that came to nothing.
      const excess = Math.max(book.openCount - maxOpen(), book.count - 2 * maxOpen());
      const due = book.wheel.take(clock.now(), sessionsPerUnit);
      const early = due.length === 0 && excess > 0
        ? book.wheel.takeFirst(Math.min(excess, sessionsPerUnit))
        : [];
      if (due.length + early.length === 0) break;
      const isEarly = early.length > 0;
      const count = await this.#end(isEarly ? early : due.filter((session) => this.#isDue(session)), isEarly);
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
    const lagMs = this.#options.shared === undefined ? 0 : tellingMs;
    const dueAt = session.pending > 0 ? now + retryMs : book.dueAt(session) + lagMs;
    if (dueAt > now) book.wheel.put(session, dueAt);
    return dueAt <= now;
  }

  async #end(sessions: readonly Session[], isEarly: boolean): Promise<number> {
    const { book, shared, journal, indexes, stored } = this.#options;
    const free = sessions.filter((session) => this.#isFree(session));
    const answers = await shared?.close(free, isEarly) ?? free.map(() => undefined);
    const endings: Ending[] = [];
    const unit = new Unit(1_024 * Math.max(1, free.length));
    free.forEach((session, i) => {
      const ending = this.#decide(session, answers[i], unit);
      if (ending !== undefined) endings.push(ending);
    });
    if (endings.length === 0) return 0;
    book.reserveEndings(unit, endings);
    try {
      await journal.append({
        bytes: unit.writer.view(),
        placed: (at) => indexes.place(unit, at),
        released: () => indexes.release(unit),
      });
    } catch (error) {
      for (const { session } of endings) shared?.notEnded(session);
      throw error;
    }
    for (const { session, startT } of endings) shared?.ended(session, startT);
    stored();
    return endings.length;
  }

  /** Can it be ended, as far as this daemon knows? If not, it is put back. */
  #isFree(session: Session): boolean {
    const { book, clock } = this.#options;
    if (session.isOpen && session.pending === 0) return true;
    if (session.isOpen) book.wheel.put(session, clock.now() + retryMs);
    else book.retire(session);
    return false;
  }

  /** Writes the end where it is this daemon's to write. */
  #decide(session: Session, answer: ClosingAnswer | undefined, unit: Unit): Ending | undefined {
    const { book, shared, clock } = this.#options;
    if (answer?.state === "closed" && session.pending === 0) {
      book.endElsewhere(session, answer.version);
      return undefined;
    }
    if (answer?.state === "later" || answer?.state === "closed") {
      const dueAt = answer.state === "later" ? answer.dueAt + tellingMs : 0;
      book.wheel.put(session, Math.max(clock.now() + retryMs, dueAt));
      return undefined;
    }
    // Events may have come while the others were asked.
    if (!this.#isFree(session)) {
      if (answer !== undefined) shared?.notEnded(session);
      return undefined;
    }
    const { version = session.version + 1, fence = 0, fold = session.fold } = answer ?? {};
    const startT = answer === undefined ? session.startT : answer.startT ?? Infinity;
    const isLocal = answer === undefined && shared !== undefined;
    return writeEnding({ session, version, fence, isLocal, fold, startT }, unit);
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

/** An end to be written. */
interface EndOf {
  readonly session: Session;
  readonly version: number;
  readonly fence: number;
  readonly isLocal: boolean;
  readonly fold: SessionFold;
  /** Time of the event that the stored session_start stands for. */
  readonly startT: number;
}

/** Adds the rows of a session's end to the unit; a session_start, too, where none stands near its first event. */
function writeEnding(of: EndOf, unit: Unit): Ending {
  const { session, version, fold, startT } = of;
  const isStarted = startT - fold.firstT <= startSlackMs;
  // The one that was written with the first event may have this version.
  if (!isStarted) writeLaterStart({ ...of, version: version + 1 }, fold, unit);
  writeEnd(of, fold, unit);
  writeSession(of, fold, unit);
  writeLastSeen(session, fold, unit);
  return { session, version, startT: isStarted ? startT : fold.firstT };
}
