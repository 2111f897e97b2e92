/**
 * Events of the common shape, written from the rows' bytes: the same records that the schema's path would write
 * (`tests/dialects/track/fast_path_test.ts` holds the two against each other), without building a value.
 * @module
 */

import type { IdSource } from "../../base/ids.ts";
import { dayOf, identityOwner, type RowPlace, rowPlace, type Unit } from "../../base/record.ts";
import { carryReferrer } from "./carried_referrer.ts";
import { type Device, eventKernel, kernelConstants as c } from "./event_kernel.ts";
import { eventNameProblem } from "./event_name.ts";
import type { EventSender } from "./event_sender.ts";
import { pageColumns } from "./page.ts";
import type { TimeLimits } from "./timestamp.ts";
import { explicitDevice, type Whereabouts } from "./whereabouts.ts";

const encoder = new TextEncoder();
const dayMs = 86_400_000;
/** Answers that a row may need: its name, its profile, its device (made room for, looked at, located), its page, room. */
const mostAnswers = 12;
/** What every row carries is not longer than this; senders with more are left to the schema's path. */
const maxColumnBytes = 16_384;

/** What all rows of a sender share. */
export interface EventWriterOptions {
  readonly sender: EventSender;
  readonly ids: IdSource;
  readonly limits: TimeLimits;
  /** Age up to which an event is live, in ms. */
  readonly timeoutMs: number;
}

/** Rows that lie in some bytes, as a window has them. */
export interface LyingRows {
  readonly bytes: Uint8Array;
  /** Index of the first one in its body. */
  readonly firstIndex: number;
  /** Where row i begins. */
  start(i: number): number;
  /** Where row i ends. */
  end(i: number): number;
}

/** Rows behind each other with commas between them, somewhere in some bytes. */
export interface RowList {
  readonly bytes: Uint8Array;
  /** Before the first row. */
  readonly start: number;
  /** Nothing behind it is looked at. */
  readonly end: number;
  /** Index of the first row in its body. */
  readonly firstIndex: number;
  /** How many may be taken. */
  readonly maxRows: number;
}

/** What was taken of a {@link RowList}. */
export interface TakenRows {
  readonly rows: number;
  /** Behind the comma behind the last row taken, or at the bracket that ends the list. */
  readonly stop: number;
  /** Has the list ended? */
  readonly isLast: boolean;
}

/**
 * Writes the events of one sender. Several requests may take turns, each beginning with {@link EventWriter.begin}
 * and writing its rows without a pause.
 *
 * The kernel writes row after row and stops at one that it has a question about. What it knows of a device holds for
 * as long as nobody else touches its session, so it is looked at again when a run begins (for the devices of the run
 * before; others are asked about when a row comes to them) and whenever a question was answered in a way that may
 * change other sessions. Within a run only rows of the run move a session: the kernel follows that by itself, and a
 * row that would leave the session makes it stop. Where two devices share a session, what the kernel knows of the
 * latest event may be too early: then it stops once too often.
 *
 * - A row that is not of the common shape leaves nothing behind: all questions are asked before the first byte of
 *   its record is written.
 */
export class EventWriter {
  /** Device and session of the last event written. */
  last: Whereabouts | undefined;
  readonly #options: EventWriterOptions;
  /** Undefined where the kernel cannot serve this sender. */
  readonly #kernel = eventKernel;
  readonly #head: Uint8Array;
  /** Of the rows' identities. */
  readonly #owner: string;
  readonly #columns: Uint8Array;
  readonly #number: number;
  #arrivedAt = NaN;
  /** Of the kernel, when the sender was laid in. */
  #generation = -1;
  /** Places of head and columns in the kernel. */
  readonly #laid = new Int32Array(4);
  /** Slots used in the last run, and perhaps others of this sender. */
  #used: number[] = [];
  #firstCounter = 0;
  #place: RowPlace | undefined;
  #placeDay = NaN;

  constructor(options: EventWriterOptions) {
    this.#options = options;
    const project = JSON.stringify(options.sender.project);
    this.#head = encoder.encode(`{"kind":"event","project_id":${project},"created_at":"`);
    this.#owner = identityOwner("project", options.sender.project);
    this.#columns = encoder.encode(options.sender.columns + ',"properties":');
    if (this.#head.length + this.#columns.length > maxColumnBytes) this.#kernel = undefined;
    this.#number = this.#kernel?.nextSender() ?? 0;
  }

  /** The next rows arrived at this time, ms since the epoch. */
  begin(arrivedAt: number): void {
    this.#arrivedAt = arrivedAt;
  }

  /**
   * Adds the records of rows to the unit, in order, up to the first row that is not of the common shape or must be
   * refused; then the schema says more.
   * @param from First of the rows.
   * @param to Behind the last one.
   * @returns how many rows were taken
   */
  writeRows(rows: LyingRows, { from, to }: { from: number; to: number }, unit: Unit): number {
    const kernel = this.#kernel;
    if (kernel === undefined) return 0;
    this.#beginRun();
    let next = from;
    while (next < to) {
      const count = this.#layRows(rows, next, to);
      const firstIndex = rows.firstIndex + next;
      const write = (done: number, given: number): number => kernel.exports.writeRows(done, count, given);
      const taken = this.#run(unit, { firstIndex, count, write });
      next += taken;
      if (count === 0 || taken < count) break;
    }
    this.#endRun();
    return next - from;
  }

  /** As {@link writeRows}, for rows of which nobody knows yet where they end. */
  writeList({ bytes, start, end, firstIndex, maxRows }: RowList, unit: Unit): TakenRows {
    const kernel = this.#kernel;
    if (kernel === undefined) return { rows: 0, stop: start, isLast: false };
    this.#beginRun();
    kernel.layStretch(bytes, start, Math.min(end, start + c.mostInputBytes));
    const list = c.listCall >> 2;
    kernel.ints[list] = c.input;
    const rows = this.#run(unit, {
      firstIndex,
      count: maxRows,
      write: (done, given) =>
        kernel.exports.writeList(kernel.ints[list], Math.min(maxRows - done, c.mostRows), given),
    });
    const isLast = kernel.ints[c.stopCall >> 2] === c.listEnded;
    this.#endRun();
    return { rows, stop: start + kernel.ints[list] - c.input, isLast };
  }

  /** Lays as many rows in as fit, and answers how many. */
  #layRows(rows: LyingRows, from: number, to: number): number {
    const kernel = this.#kernel!;
    const { ints } = kernel;
    const first = rows.start(from);
    const most = Math.min(to - from, c.mostRows);
    const base = c.input - first;
    let at = c.rows >> 2;
    let end = first;
    let count = 0;
    for (; count < most; count++) {
      const rowEnd = rows.end(from + count);
      if (rowEnd - first > c.mostInputBytes) break;
      ints[at++] = base + rows.start(from + count);
      ints[at++] = base + (end = rowEnd);
    }
    if (count > 0) kernel.layStretch(rows.bytes, first, end);
    return count;
  }

  /** Has rows written, answers the questions, and closes the records. */
  #run(unit: Unit, { firstIndex, count, write }: Run): number {
    const { ints } = this.#kernel!;
    let taken = 0;
    let given = 0;
    let answers = 0;
    while (taken < count) {
      const written = write(taken, given);
      const stop = ints[c.stopCall >> 2];
      if (written > 0) {
        this.#close(written, { row: firstIndex + taken, unit });
        taken += written;
        given = answers = 0;
      }
      if (stop === c.allDone) continue;
      if (stop === c.listEnded || stop === c.notMine || answers++ === mostAnswers) break;
      if (stop === c.outputFull && written === 0 && given === 0) break;
      const answer = this.#answer(stop);
      if (answer < 0) break;
      given |= c.resumed | answer;
    }
    return taken;
  }

  #beginRun(): void {
    const kernel = this.#kernel!;
    const { ints, floats } = kernel;
    const { sender, limits, timeoutMs, ids } = this.#options;
    kernel.nextRun();
    this.#laySender();
    for (const slot of this.#used) this.#trust(slot);
    this.#used.length = 0;
    floats[c.arrivedAtCall >> 3] = this.#arrivedAt;
    floats[c.timeoutCall >> 3] = timeoutMs;
    floats[c.maxAgeCall >> 3] = limits.max_event_age_ms;
    floats[c.maxFutureCall >> 3] = limits.max_future_ms;
    ints[c.senderCall >> 2] = this.#number;
    ints[c.asksCall >> 2] = (sender.blockedProfileIds === undefined ? 0 : c.asksProfile) +
      (sender.isServer ? c.asksServerProfile : 0);
    ints[c.pageBytesCall >> 2] = 0;
    this.#firstCounter = ids.lend(kernel.idText, this.#arrivedAt);
    floats[c.counterCall >> 3] = this.#firstCounter;
  }

  #endRun(): void {
    this.#options.ids.used(this.#kernel!.floats[c.counterCall >> 3] - this.#firstCounter);
  }

  /** Lays in what all rows of the sender carry, where the kernel does not have it. */
  #laySender(): void {
    const kernel = this.#kernel!;
    if (this.#generation !== kernel.generation) {
      const isLaid = kernel.layText(this.#head, c.headCall) && kernel.layText(this.#columns, c.columnsCall);
      if (!isLaid) return this.#makeRoom();
      this.#generation = kernel.generation;
      this.#used.length = 0;
      this.#laid.set(kernel.ints.subarray(c.headCall >> 2, (c.headCall >> 2) + 4));
    }
    kernel.ints.set(this.#laid, c.headCall >> 2);
  }

  /** Empties the tables; what is missing is asked for again. A sender always fits into empty ones. */
  #makeRoom(): void {
    this.#kernel!.clear();
    this.#laySender();
  }

  /** Closes the records that the kernel has written, and counts them for their sessions. */
  #close(count: number, { row, unit }: { row: number; unit: Unit }): void {
    const kernel = this.#kernel!;
    const { ints, floats, devices } = kernel;
    const ends = c.ends >> 2;
    const base = unit.writer.length;
    unit.writer.raw(kernel.bytes, c.output, c.output + ints[ends + count - 1]);
    const first = unit.count;
    let device = devices[0];
    for (let i = 0; i < count; i++) {
      const time = floats[(c.times >> 3) + i];
      const slot = ints[(c.slots >> 2) + i];
      device = devices[slot];
      unit.closeAt(base + ints[ends + i], this.#placeOf(time));
      const insertId = ints[(c.insertIds >> 2) + i];
      if (insertId > 0) {
        const at = insertId - (i > 0 ? ints[ends + i - 1] : 0);
        const length = ints[(c.insertIdEnds >> 2) + i] - insertId;
        unit.identify({ owner: this.#owner, row: row + i, memo: device.where, at, length });
      }
      if (device.run !== kernel.run) {
        device.run = kernel.run;
        this.#used.push(slot);
      }
      const { session } = device;
      if (session === undefined) continue;
      let { tally } = device;
      if (tally === undefined || tally.siblings !== unit.tallies) {
        device.tally = tally = unit.tallyOf(session, this.#arrivedAt);
      }
      tally.count(first + i, time, ints[(c.traits >> 2) + i]);
      if (device.isLive && time > session.seenT) session.seenT = time;
    }
    this.last = device.where;
  }

  #placeOf(time: number): RowPlace {
    const day = Math.floor(time / dayMs);
    if (day !== this.#placeDay || this.#place === undefined) {
      this.#place = rowPlace("event", this.#options.sender.project, dayOf(time));
      this.#placeDay = day;
    }
    return this.#place;
  }

  /** Answers a question about the row at which the kernel stopped; -1 when the row is left to the schema's path. */
  #answer(stop: number): number {
    try {
      switch (stop) {
        case c.newName:
          return this.#takesName() ? 0 : -1;
        case c.profileAsked:
          return this.#takesProfile() ? c.profileAllowed : -1;
        case c.oldDevice:
          return this.#trust(this.#kernel!.ints[c.deviceCall >> 2]) || this.#locate() ? 0 : -1;
        case c.newDevice:
          return this.#locate() ? 0 : -1;
        case c.pageAsked:
          return this.#layPage();
        default:
          return 0;
      }
    } catch {
      // On the schema's path it will turn out again, and be dealt with.
      return -1;
    }
  }

  #takesName(): boolean {
    const kernel = this.#kernel!;
    const name = kernel.textOf(c.nameSpan)!;
    if (eventNameProblem(name) !== undefined || this.#options.sender.dropsEvent(name)) return false;
    if (!kernel.addName(this.#number, name === "screen_view")) this.#makeRoom();
    return true;
  }

  /** Not one that is blocked; nor, in a server's event without a device, one whose session it may belong to. */
  #takesProfile(): boolean {
    const kernel = this.#kernel!;
    const { sender } = this.#options;
    const profileId = kernel.textOf(c.profileSpan)!;
    if (sender.blockedProfileIds?.has(profileId)) return false;
    return !sender.isServer || kernel.textOf(c.deviceSpan) !== undefined || !sender.hasLiveProfile(profileId);
  }

  /** Finds the device's session, and lets the kernel know of both. */
  #locate(): boolean {
    const kernel = this.#kernel!;
    const { sender, timeoutMs } = this.#options;
    const time = kernel.floats[c.timeCall >> 3];
    const explicit = kernel.textOf(c.deviceSpan);
    if (explicit !== undefined && explicitDevice(explicit) !== explicit) return false;
    const isLive = this.#arrivedAt - time <= timeoutMs;
    const { where, session } = sender.locate(time, this.#arrivedAt, { explicit });
    // A session that others must be asked about is not live by that: it is asked about for each event.
    const isSettled = session === undefined || !isLive || session.isLive;
    const times = isSettled
      ? sender.steadySpan(time, { isExplicit: explicit !== undefined, isLive })
      : { since: time, until: time + 1 };
    const referrer = session?.referrer ?? "";
    const device: Device = { where, session, isLive, ...times, referrer, tally: undefined, run: 0 };
    // Another session of the same device may be live no more.
    kernel.nextEpoch();
    const known = kernel.ints[c.deviceCall >> 2];
    const slot = known < 0 ? kernel.addDevice(this.#number) : known;
    if (slot < 0 || !kernel.setDevice(slot, device)) this.#makeRoom();
    else kernel.trust(slot, Math.max(session?.seenT ?? time, time));
    return true;
  }

  /** Does the session still stand as it did when the device was located? Then the kernel may go on with it. */
  #trust(slot: number): boolean {
    const kernel = this.#kernel!;
    const { session, isLive, referrer } = kernel.devices[slot];
    if (session !== undefined) {
      if (session.isGone || (isLive && !session.isLive)) return false;
      if (session.referrer !== referrer && !kernel.setReferrer(slot, session.referrer)) return false;
    }
    kernel.trust(slot, session?.seenT ?? -Infinity);
    return true;
  }

  /** Columns of a page that needs a parser, or has a referrer. */
  #layPage(): number {
    const kernel = this.#kernel!;
    const slot = kernel.ints[c.deviceCall >> 2];
    const { session, referrer } = kernel.devices[slot];
    const page = carryReferrer(
      pageColumns(kernel.textOf(c.pathSpan), kernel.textOf(c.referrerSpan)),
      session,
    );
    if (session !== undefined && session.referrer !== referrer) {
      // Other devices may have the same session.
      kernel.nextEpoch();
      if (!this.#trust(slot)) this.#makeRoom();
    }
    const { read, written } = encoder.encodeInto(page, kernel.page);
    if (read < page.length) return -1;
    kernel.ints[c.pageBytesCall >> 2] = written;
    return c.pageGiven + (page.startsWith(',"path":') ? c.pageHasPath : 0);
  }
}

/** Rows that were laid in. */
interface Run {
  /** Index of the first one in its body. */
  readonly firstIndex: number;
  readonly count: number;
  /** Has the kernel write rows from number `done` on. */
  write(done: number, given: number): number;
}
