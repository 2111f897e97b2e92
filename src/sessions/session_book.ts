/**
 * All sessions that are open, changed since the last flush, or in use: found by id, kept in step with the journal.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { Metrics } from "../base/metrics.ts";
import { PassingMap } from "../base/passing_map.ts";
import { frameHeaderBytes, type Unit } from "../base/record.ts";
import { SessionTally } from "../base/session_tally.ts";
import type { SessionSource } from "../index/plan.ts";
import type { ReplayedRow, SessionKeeper, SessionReader } from "../index/session_keeper.ts";
import type { IndexSize } from "../index/row_index.ts";
import { readRecords } from "../index/replay.ts";
import { isBefore, type JournalPosition } from "../journal/segment.ts";
import { DueWheel } from "./due_wheel.ts";
import { lineOf, lineReader } from "./unit_lines.ts";
import { writeFirstSeen } from "./profile_rows.ts";
import { eventGlance } from "./event_glance.ts";
import { LiveOwners } from "./live_owners.ts";
import { Session, type SessionName } from "./session.ts";
import { type Columns, type FoldOptions, foldTally, tallyColumns } from "./session_fold.ts";
import { bucketTimes, sessionBucket } from "./session_id.ts";
import { arrivalOf, readColumns, readLine, startLeadMs, writeStart } from "./session_rows.ts";

/** What may change while it runs. */
export interface SessionSettings {
  /** A live session ends this long after its last event. */
  readonly timeoutMs: number;
  /** A session of old events closes once nothing came for it for this long. */
  readonly backlogCloseMs: number;
}

/** Takes down about which events the other daemons must be asked. */
export interface Questions {
  /** @param session The one that the event would come to if there were no other daemon. */
  add(session: Session, event: { readonly time: number }, isLive: boolean): void;
}

/** What shares sessions with other daemons, as the book sees it. */
export interface SessionSharing {
  /** Must the others be asked before an event may come to this session? */
  mustAsk(session: Session, isLive: boolean): boolean;
  /** May session_start be written here? */
  mayStart(session: Session): boolean;
  /** Events of the session were stored. */
  stored(session: Session): void;
  /** Its session_start was stored. */
  started(session: Session): void;
  /** Rows with these identities were stored. */
  storedIdentities(identities: Unit["identities"]): void;
}

/** What {@link SessionBook} works with. */
export interface SessionBookOptions {
  readonly catalog: SessionReader;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly settings: () => SessionSettings;
}

/** A session whose end is on its way, as it was written. */
export interface Ending {
  readonly session: Session;
  readonly version: number;
  /** Time of the first event, which session_start now stands for. */
  readonly startT: number;
}

/** What a unit on its way holds on to. */
interface HeldTally {
  readonly session: Session;
  readonly tally: SessionTally;
  /** Is its session_start in the unit? */
  readonly starts: boolean;
  /** Does it name a profile, and is the first one that does? */
  readonly names: boolean;
}

/** Estimated memory of a session, with its entries in maps. */
const sessionBytes = 1_200;
/** A session for which nothing was stored is forgotten after this long: no body is longer on its way. */
const emptyKeepMs = 15 * 60_000;

/**
 * The sessions in memory.
 *
 * - A session is in memory while it is open, while the catalog has less of it, or while a unit holds it.
 * - Every session in memory that is open or empty stands in the wheel.
 */
export class SessionBook implements SessionKeeper {
  readonly wheel: DueWheel = new DueWheel();
  /** Set where daemons share sessions. */
  sharing: SessionSharing | undefined;
  /** Set while events are looked at, and not taken, to find out what must be asked. */
  questions: Questions | undefined;
  readonly #options: SessionBookOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #owners = new LiveOwners();
  readonly #held = new PassingMap<Unit, readonly HeldTally[]>();
  readonly #endings = new PassingMap<Unit, readonly Ending[]>();
  #changed = new Set<Session>();
  #inFlush: Set<Session> | undefined;
  #openCount = 0;

  constructor(options: SessionBookOptions) {
    this.#options = options;
    for (const snapshot of options.catalog.openSessions()) this.#add(Session.from(snapshot));
  }

  /** As they stand. */
  get settings(): SessionSettings {
    return this.#options.settings();
  }

  /** How many sessions are in memory. */
  get count(): number {
    return this.#sessions.size;
  }

  /** How many of them are open. */
  get openCount(): number {
    return this.#openCount;
  }

  /** A session in memory or in the catalog; undefined when it never was, or was forgotten. */
  find(id: string): Session | undefined {
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    const snapshot = this.#options.catalog.session(id);
    return snapshot && this.#add(Session.from(snapshot));
  }

  /** A session, begun where there is none. Nothing of it is stored by that. */
  open(name: SessionName): Session {
    return this.find(name.id) ?? this.#add(new Session(name));
  }

  /** The session that live events of this device belong to, as long as it takes them. */
  liveOf(project: string, deviceId: string): Session | undefined {
    return this.#owners.ofDevice(project, deviceId);
  }

  /** From here on, live events of the session's device come to it. */
  makeLive(session: Session): void {
    this.#owners.begin(session);
  }

  /** The live session of a profile; undefined when it has none. */
  liveOfProfile(project: string, profileId: string): Session | undefined {
    return this.#owners.ofProfile(project, profileId);
  }

  reserve(unit: Unit): void {
    if (unit.hasLostTallied) this.#tallyAnew(unit);
    if (unit.tallies.size === 0) return;
    // The catalog may fail while they are found: then nothing was changed.
    const held = [...unit.tallies.values()].map((tally): HeldTally => {
      const session = this.#current(tally.session as Session);
      const isFirst = !session.hasStart && tally.firstRecord >= 0;
      const names = tally.profileRecord >= 0 && session.fold.profileId === "" && !session.isNamed;
      return { session, tally, starts: isFirst && (this.sharing?.mayStart(session) ?? true), names };
    });
    for (const { session, tally, starts, names } of held) {
      session.pending++;
      if (names) {
        const columns = readColumns(lineOf(unit, tally.profileRecord));
        writeFirstSeen(session, { columns, arrivedAt: tally.arrivedAt }, unit);
        session.isNamed = true;
      }
      if (!starts) continue;
      const first = readLine(lineOf(unit, tally.firstRecord));
      const { claim, isLocal } = session;
      const of = { session, version: session.version + 1, fence: claim?.fence ?? 0, isLocal };
      writeStart(of, { ...first, time: tally.firstT }, unit);
      session.hasStart = session.isStarting = true;
    }
    this.#held.set(unit, held);
  }

  follows(unit: Unit): boolean {
    const held = this.#held.get(unit) ?? [];
    return held.some(({ session, starts, names }) => {
      const isNaming = session.isNamed && session.fold.profileId === "";
      return session.isClosing || (session.isStarting && !starts) || (isNaming && !names);
    });
  }

  /** The unit holds the ends of these sessions. To be called when it is given to the journal. */
  reserveEndings(unit: Unit, endings: readonly Ending[]): void {
    for (const { session } of endings) {
      session.isClosing = true;
      this.#owners.end(session);
    }
    this.#endings.set(unit, endings);
  }

  place(unit: Unit, at: JournalPosition): void {
    this.sharing?.storedIdentities(unit.identities);
    const held = this.#held.get(unit);
    if (held !== undefined) this.#placeHeld(unit, held, at);
    this.#held.delete(unit);
    for (const ending of this.#endings.get(unit) ?? []) this.#end(ending, at);
    this.#endings.delete(unit);
  }

  #placeHeld(unit: Unit, held: readonly HeldTally[], at: JournalPosition): void {
    const { timeoutMs } = this.settings;
    const folding = { timeoutMs, read: lineReader(unit, readColumns), glance: eventGlance(unit) };
    for (const { session, tally, starts } of held) {
      session.pending--;
      this.#fold(session, tally, folding);
      session.through = at;
      this.sharing?.stored(session);
      if (!starts) continue;
      session.startT = tally.firstT;
      session.isStarting = false;
      this.sharing?.started(session);
      this.#count("started");
    }
  }

  release(unit: Unit): void {
    for (const { session, starts, names } of this.#held.get(unit) ?? []) {
      session.pending--;
      if (names) session.isNamed = false;
      if (starts) session.hasStart = session.isStarting = false;
    }
    this.#held.delete(unit);
    for (const { session } of this.#endings.get(unit) ?? []) {
      session.isClosing = false;
      this.#owners.resume(session);
      this.#schedule(session);
    }
    this.#endings.delete(unit);
  }

  replay({ kind, columns, at }: ReplayedRow): void {
    const id = kind === "session" ? columns.id : kind === "event" ? columns.session_id : undefined;
    if (typeof id !== "string" || id === "") return;
    const name = { id, project: String(columns.project_id), deviceId: String(columns.device_id) };
    const session = this.open(name);
    if (session.through !== at && !isBefore(session.through, at)) return;
    session.through = at;
    this.#changed.add(session);
    if (kind === "session") {
      this.#end({ session, version: Number(columns.version), startT: session.startT }, at);
      this.#owners.end(session);
    } else if (columns.name === "session_start") this.#replayStart(session, columns);
    else if (columns.name !== "session_end") this.#replayEvent(session, columns);
  }

  plan(): readonly SessionSource[] {
    const planned = this.#changed;
    this.#inFlush = planned;
    this.#changed = new Set();
    return [...planned];
  }

  committed(): void {
    const written = this.#inFlush;
    this.#inFlush = undefined;
    for (const session of written ?? []) if (!session.isLive) this.#forgetUnused(session);
  }

  failed(): void {
    for (const session of this.#inFlush ?? []) this.#changed.add(session);
    this.#inFlush = undefined;
  }

  size(): IndexSize {
    return { entries: this.#sessions.size, bytes: this.#sessions.size * sessionBytes };
  }

  /**
   * When a session ends if nothing more comes: a live one after the timeout, and not while late events of that time
   * keep coming; one of old events when nothing came for it for a while, and its window is past. In ms since the epoch.
   */
  dueAt(session: Session): number {
    const { timeoutMs, backlogCloseMs } = this.settings;
    const { liveT, lastT, receivedAt } = session.fold;
    if (isFinite(liveT)) {
      return Math.max(liveT + timeoutMs, receivedAt + Math.min(backlogCloseMs, timeoutMs)) + 1;
    }
    const { until } = bucketTimes(sessionBucket(lastT, timeoutMs), timeoutMs);
    return Math.max(until, receivedAt + backlogCloseMs);
  }

  /** Another daemon has written its end. */
  endElsewhere(session: Session, version: number): void {
    session.version = version;
    this.#setOpen(session, false);
    this.#owners.end(session);
    this.#changed.add(session);
  }

  /** The sessions that are open. */
  *allOpen(): Generator<Session, void, undefined> {
    for (const session of this.#sessions.values()) if (session.isOpen) yield session;
  }

  /** Nothing was stored for it in a while, or ever: it takes no live events, and is forgotten where it may be. */
  retire(session: Session): void {
    if (session.isOpen || session.pending > 0) return this.#schedule(session);
    this.#owners.end(session);
    this.#forgetUnused(session);
  }

  #end({ session, version, startT }: Ending, at: JournalPosition): void {
    Object.assign(session, { version, startT, isClosing: false, through: at });
    this.#setOpen(session, false);
    this.#changed.add(session);
    this.#count("ended");
  }

  #fold(session: Session, tally: SessionTally, options: FoldOptions): void {
    const { fold } = session;
    const profileBefore = fold.profileId;
    foldTally(fold, tally, options);
    if (fold.referrer === "") fold.referrer = session.referrer;
    else if (session.referrer === "") session.referrer = fold.referrer;
    this.#changed.add(session);
    if (!session.isOpen && isFinite(fold.firstT)) {
      this.#setOpen(session, true);
      this.#count(session.version > 0 ? "reopened" : "opened");
    }
    if (fold.profileId !== profileBefore) this.#owners.nameProfile(session, profileBefore);
    this.#schedule(session);
  }

  #setOpen(session: Session, isOpen: boolean): void {
    if (session.isOpen !== isOpen) this.#openCount += isOpen ? 1 : -1;
    session.isOpen = isOpen;
  }

  #replayEvent(session: Session, columns: Columns): void {
    const tally = new SessionTally(session, new Map(), arrivalOf(columns));
    tallyColumns(tally, 0, columns);
    this.#fold(session, tally, { timeoutMs: this.settings.timeoutMs, read: () => columns });
    session.seenT = session.fold.liveT;
    this.#owners.resume(session);
  }

  #replayStart(session: Session, columns: Columns): void {
    session.hasStart = true;
    session.startT = Date.parse(String(columns.created_at)) + startLeadMs;
  }

  /** The unit's tallies, made from its lines: some records are gone that were tallied. */
  #tallyAnew(unit: Unit): void {
    const [any] = unit.tallies.values();
    unit.clearTallies();
    for (const [i, { kind, columns }] of readRecords(unit.writer.view(frameHeaderBytes), "all").entries()) {
      const id = kind === "event" ? columns?.session_id : undefined;
      const session = typeof id === "string" && id !== "" ? this.find(id) : undefined;
      if (session !== undefined) tallyColumns(unit.tallyOf(session, any.arrivedAt), i, columns!);
    }
  }

  /** The session as it is known here: somebody held on to it for so long that it was forgotten meanwhile. */
  #current(session: Session): Session {
    return session.isGone ? this.open(session) : session;
  }

  #add(session: Session): Session {
    this.#sessions.set(session.id, session);
    if (session.isOpen) {
      this.#openCount++;
      this.#owners.resume(session);
      if (session.fold.profileId !== "") this.#owners.nameProfile(session, "");
    }
    this.#schedule(session);
    return session;
  }

  /** Once the catalog knows all of it and nobody holds it. */
  #forgetUnused(session: Session): void {
    const isUsed = session.isOpen || session.isClosing || session.pending > 0;
    if (isUsed || this.#changed.has(session) || this.#inFlush?.has(session)) return;
    session.isGone = true;
    this.wheel.remove(session);
    this.#sessions.delete(session.id);
    this.#owners.forget(session);
  }

  #schedule(session: Session): void {
    const dueAt = session.isOpen ? this.dueAt(session) : this.#options.clock.now() + emptyKeepMs;
    this.wheel.put(session, dueAt);
  }

  #count(event: "started" | "ended" | "opened" | "reopened"): void {
    this.#options.metrics.counter("weir_sessions_total").inc({ event });
  }
}
