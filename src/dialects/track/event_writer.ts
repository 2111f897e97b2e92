/**
 * Events of the common shape, written from the row's bytes: the same record that the schema's path would write
 * (`tests/dialects/track/fast_path_test.ts` holds the two against each other), without building a value.
 * @module
 */

import type { IdSource } from "../../base/ids.ts";
import { type SessionTally, Trait } from "../../base/session_tally.ts";
import { dayOf, type Identity, identityKey, type RowPlace, rowPlace, type Unit } from "../../base/record.ts";
import { eventNameProblem } from "./event_name.ts";
import type { Session } from "../../sessions/session.ts";
import { carryReferrer } from "./carried_referrer.ts";
import { PlainPage } from "./plain_page.ts";
import { pageColumns } from "./page.ts";
import { Span, TrackRowReader } from "./row_reader.ts";
import { explicitDevice, type Located, type Whereabouts } from "./whereabouts.ts";
import type { TimeLimits } from "./timestamp.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const dayMs = 86_400_000;
/** Bytes of a record besides what is copied from the row: names of columns, id, time, session. */
const fixedBytes = 400;

const quote = 0x22;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const nothing = new Uint8Array(0);
/** Devices and names remembered; past it all are forgotten. */
const maxKnown = 1_024;

const insertIdName = encoder.encode('","insert_id":"');
const profileName = encoder.encode('","profile_id":"');
const idName = encoder.encode('","id":"');
const screenView = encoder.encode("screen_view");

/** What must be known of a sender. */
export interface EventSender {
  readonly project: string;
  /** JSON members, each with a leading comma, that every row carries. */
  readonly columns: string;
  /** Device and session of an event; see `Sender`. */
  locate(time: number, arrivedAt: number, named: { explicit?: string }): Located;
  /** Is the event taken and not stored? Such a one is left to the schema's path. */
  dropsEvent(name: string): boolean;
  /** Profiles whose events are refused there; undefined when there are none. */
  readonly blockedProfileIds: ReadonlySet<string> | undefined;
  readonly isServer: boolean;
  /** Does a profile have a live session that a server's event would belong to? */
  hasLiveProfile(profileId: string): boolean;
  /** The times around `time` for which `locate` answers the same, as long as a live session takes events. */
  steadySpan(time: number, of: { isExplicit: boolean; isLive: boolean }): { since: number; until: number };
}

/** What all rows of a sender share. */
export interface EventWriterOptions {
  readonly sender: EventSender;
  readonly ids: IdSource;
  readonly limits: TimeLimits;
  /** Age up to which an event is live, in ms. */
  readonly timeoutMs: number;
}

/** Where a row lies, and which one of its body it is. */
export interface RowAt {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly row: number;
}

/** A device of this sender, and the session that its last event fell into. */
interface Device {
  /** As sent, without quotes; empty for the device that is computed from the sender. */
  readonly bytes: Uint8Array;
  readonly explicit: string | undefined;
  /** As JSON text, without quotes. */
  idBytes: Uint8Array;
  /** From the quote that ends the id of the row to the one that begins its name. */
  columns: Uint8Array;
  where: Whereabouts;
  readonly session: Session | undefined;
  /** Do its events come to a live session? */
  readonly isLive: boolean;
  /** The session's referrer, as it was last written. */
  referrer: string;
  referrerBytes: Uint8Array;
  /** Of the unit written last. */
  tally: SessionTally | undefined;
  /** Times from `since` on and before `until` have the same device id and session. */
  since: number;
  until: number;
}

/**
 * Writes the events of one sender. Several requests may take turns, each beginning with {@link EventWriter.begin}
 * and writing its rows without a pause.
 *
 * - A row that is not of the common shape leaves nothing behind: all questions are asked before the first byte
 *   is written.
 */
export class EventWriter {
  /** Device and session of the last event written. */
  last: Whereabouts | undefined;
  readonly #options: EventWriterOptions;
  readonly #reader = new TrackRowReader();
  readonly #page = new PlainPage();
  readonly #head: Uint8Array;
  readonly #columns: Uint8Array;
  #arrivedAt = NaN;
  /** {@link #arrivedAt} as ISO text, once a row needed it. */
  #arrival: Uint8Array | undefined;
  readonly #devices = new Map<number, Device>();
  readonly #names = new Map<number, Uint8Array>();
  /** Year, month and day of the last time read, as one number, and its midnight in ms since the epoch. */
  #date = -1;
  #midnight = NaN;
  #place: RowPlace | undefined;
  #placeDay = NaN;
  /** Of the row written last. */
  #hasPath = false;

  constructor(options: EventWriterOptions) {
    this.#options = options;
    const project = JSON.stringify(options.sender.project);
    this.#head = encoder.encode(`{"kind":"event","project_id":${project},"created_at":"`);
    this.#columns = encoder.encode(options.sender.columns + ',"properties":');
  }

  /** The next rows arrived at this time, ms since the epoch. */
  begin(arrivedAt: number): void {
    if (arrivedAt === this.#arrivedAt) return;
    this.#arrivedAt = arrivedAt;
    this.#arrival = undefined;
  }

  /**
   * Adds the record of the row `bytes[start, end)` to the unit.
   * @param at.row Index of the row in its body.
   * @returns false when the row is not of the common shape, or must be refused; then the schema says more
   */
  write(at: RowAt, unit: Unit): boolean {
    return this.#reader.read(at.bytes, at.start, at.end) === at.end && this.#writeRow(at, unit);
  }

  /**
   * The same for a row that begins at `start` and ends somewhere before `end`.
   * @returns where it ends; -1 where {@link write} would answer false
   */
  writeNext(at: RowAt, unit: Unit): number {
    const end = this.#reader.read(at.bytes, at.start, at.end);
    return end >= 0 && this.#writeRow(at, unit) ? end : -1;
  }

  #writeRow(at: RowAt, unit: Unit): boolean {
    const { bytes } = at;
    const { spans } = this.#reader;
    const time = this.#timeOf(bytes, spans);
    if (Number.isNaN(time) || !this.#isKnownName(bytes, spans) || this.#isBlocked(bytes, spans)) return false;
    if (this.#isOfProfile(bytes, spans)) return false;
    const device = this.#deviceOf(bytes, spans, time);
    if (device === undefined) return false;
    const identity = this.#identityOf(at, device.where);
    if (identity === null) return false;
    this.#writeRecord({ bytes, device, hasInsertId: identity !== undefined }, unit);
    unit.close(this.#placeOf(time), identity);
    this.last = device.where;
    if (device.session !== undefined) this.#tally(at, device, { unit, session: device.session, time });
    return true;
  }

  #tally(
    { bytes }: RowAt,
    device: Device,
    of: { unit: Unit; session: Session; time: number },
  ): void {
    const { spans } = this.#reader;
    const { unit } = of;
    let { tally } = device;
    if (tally === undefined || tally.siblings !== unit.tallies) {
      device.tally = tally = unit.tallyOf(of.session, this.#arrivedAt);
    }
    let traits = spans[Span.profileId] < 0 ? 0 : Trait.profile;
    if (this.#hasPath) {
      traits |= Trait.path;
      if (same(screenView, bytes, spans[Span.name], spans[Span.name + 1])) traits |= Trait.view;
    }
    tally.count(unit.count - 1, of.time, traits);
  }

  #writeRecord(of: { bytes: Uint8Array; device: Device; hasInsertId: boolean }, unit: Unit): void {
    const { bytes, device } = of;
    const { spans } = this.#reader;
    const { writer } = unit;
    const page = this.#pageText(bytes, device.session);
    const carried = page === undefined ? referrerOf(device) : nothing;
    this.#hasPath = page === undefined || page.startsWith(',"path":');
    // Every byte of the row is written at most twice: once in a column, once within its properties. A page that a
    // parser had to read may be longer than it was.
    const room = fixedBytes + 3 * (page?.length ?? 0) + carried.length + this.#head.length +
      this.#columns.length +
      device.columns.length +
      device.idBytes.length;
    const out = writer.room(room + 2 * (spans[Span.rowEnd] - spans[Span.rowStart]));
    let at = writer.length;
    out.set(this.#head, at);
    at += this.#head.length;
    at = spans[Span.timestamp] < 0
      ? put(out, at, this.#arrivalText())
      : copy(out, at, bytes, spans, Span.timestamp);
    at = put(out, at, idName);
    this.#options.ids.writeNext(out, at, this.#arrivedAt);
    at += 36;
    if (of.hasInsertId) {
      at = put(out, at, insertIdName);
      at = copy(out, at, bytes, spans, Span.insertId);
    }
    out.set(device.columns, at);
    at += device.columns.length;
    at = copy(out, at, bytes, spans, Span.name);
    at = put(out, at, profileName);
    at = spans[Span.profileId] < 0
      ? put(out, at, device.idBytes)
      : copy(out, at, bytes, spans, Span.profileId);
    out[at++] = quote;
    if (page === undefined) at = put(out, this.#page.write(out, at), carried);
    else at += encoder.encodeInto(page, out.subarray(at)).written;
    out.set(this.#columns, at);
    at += this.#columns.length;
    if (spans[Span.properties] < 0) {
      out[at++] = openBrace;
      out[at++] = closeBrace;
    } else {
      out.set(bytes.subarray(spans[Span.properties], spans[Span.properties + 1]), at);
      at += spans[Span.properties + 1] - spans[Span.properties];
    }
    out[at++] = closeBrace;
    writer.advance(at);
  }

  /**
   * Columns of the page, as the schema's path reads them, with the session's referrer; "" where there is none.
   * Undefined where the URL is plain: then they are cut from the bytes.
   */
  #pageText(bytes: Uint8Array, session: Session | undefined): string | undefined {
    const { spans } = this.#reader;
    if (spans[Span.path] < 0 && spans[Span.referrer] < 0) return session?.referrer ?? "";
    if (spans[Span.referrer] < 0 && this.#page.read(bytes, spans[Span.path], spans[Span.path + 1])) {
      return undefined;
    }
    const text = (span: number): string | undefined =>
      spans[span] < 0 ? undefined : decoder.decode(bytes.subarray(spans[span], spans[span + 1]));
    return carryReferrer(pageColumns(text(Span.path), text(Span.referrer)), session);
  }

  /** Time of the event; NaN when it is not written as `2026-11-20T18:00:00.000Z`, or out of the limits. */
  #timeOf(bytes: Uint8Array, spans: Int32Array): number {
    const start = spans[Span.timestamp];
    const { limits } = this.#options;
    const arrivedAt = this.#arrivedAt;
    if (start < 0) return arrivedAt;
    if (spans[Span.timestamp + 1] - start !== 24) return NaN;
    const isIso = bytes[start + 4] === 0x2d && bytes[start + 7] === 0x2d && bytes[start + 10] === 0x54 &&
      bytes[start + 13] === 0x3a && bytes[start + 16] === 0x3a && bytes[start + 19] === 0x2e &&
      bytes[start + 23] === 0x5a;
    if (!isIso) return NaN;
    const date = digits(bytes, start, 4) * 10_000 + digits(bytes, start + 5, 2) * 100 +
      digits(bytes, start + 8, 2);
    if (date !== this.#date) {
      this.#midnight = Date.parse(decoder.decode(bytes.subarray(start, start + 10)) + "T00:00:00.000Z");
      this.#date = date;
      // Day 31 of a month that has 30 reads as the first of the next one: not the text that would be stored.
      if (!Number.isNaN(this.#midnight) && Number(dayOf(this.#midnight).replaceAll("-", "")) !== date) {
        this.#midnight = NaN;
      }
    }
    const hour = digits(bytes, start + 11, 2);
    const minute = digits(bytes, start + 14, 2);
    const second = digits(bytes, start + 17, 2);
    if (!(hour < 24 && minute < 60 && second < 60)) return NaN;
    const time = this.#midnight + ((hour * 60 + minute) * 60 + second) * 1_000 + digits(bytes, start + 20, 3);
    const fits = time - arrivedAt <= limits.max_future_ms && arrivedAt - time <= limits.max_event_age_ms;
    return fits ? time : NaN;
  }

  #arrivalText(): Uint8Array {
    return this.#arrival ??= encoder.encode(new Date(this.#arrivedAt).toISOString());
  }

  #isKnownName(bytes: Uint8Array, spans: Int32Array): boolean {
    const start = spans[Span.name];
    const end = spans[Span.name + 1];
    const hash = hashOf(bytes, start, end);
    const known = this.#names.get(hash);
    if (known !== undefined) return same(known, bytes, start, end);
    const name = decoder.decode(bytes.subarray(start, end));
    if (eventNameProblem(name) !== undefined || this.#options.sender.dropsEvent(name)) return false;
    if (this.#names.size >= maxKnown) this.#names.clear();
    this.#names.set(hash, bytes.slice(start, end));
    return true;
  }

  #isBlocked(bytes: Uint8Array, spans: Int32Array): boolean {
    const { blockedProfileIds } = this.#options.sender;
    if (blockedProfileIds === undefined || spans[Span.profileId] < 0) return false;
    return blockedProfileIds.has(
      decoder.decode(bytes.subarray(spans[Span.profileId], spans[Span.profileId + 1])),
    );
  }

  #deviceOf(bytes: Uint8Array, spans: Int32Array, time: number): Device | undefined {
    const start = spans[Span.deviceId];
    const end = spans[Span.deviceId + 1];
    const hash = start < 0 ? -1 : hashOf(bytes, start, end);
    const known = this.#devices.get(hash);
    if (known !== undefined && start >= 0 && !same(known.bytes, bytes, start, end)) return undefined;
    if (known !== undefined && time >= known.since && time < known.until && this.#isSteady(known, time)) {
      return known;
    }
    const explicit = start < 0 ? undefined : decoder.decode(bytes.subarray(start, end));
    if (explicit !== undefined && explicitDevice(explicit) !== explicit) return undefined;
    const { sender } = this.#options;
    const isLive = this.#isLive(time);
    const { where, session } = sender.locate(time, this.#arrivedAt, { explicit });
    const { since, until } = sender.steadySpan(time, { isExplicit: explicit !== undefined, isLive });
    const id = JSON.stringify(where.deviceId).slice(1, -1);
    const device: Device = {
      bytes: start < 0 ? nothing : bytes.slice(start, end),
      explicit,
      idBytes: encoder.encode(id),
      columns: encoder.encode(`","device_id":"${id}","session_id":"${where.sessionId}","name":"`),
      where,
      session,
      isLive,
      referrer: "",
      referrerBytes: nothing,
      tally: undefined,
      since,
      until,
    };
    if (this.#devices.size >= maxKnown) this.#devices.clear();
    this.#devices.set(hash, device);
    return device;
  }

  /** Do events at this time still come to the session that the device's last one came to? */
  #isSteady({ session, isLive }: Device, time: number): boolean {
    if (session === undefined) return true;
    if (session.isGone || isLive !== this.#isLive(time)) return false;
    if (!isLive) return true;
    if (!session.takesLive(time, this.#options.timeoutMs)) return false;
    if (time > session.seenT) session.seenT = time;
    return true;
  }

  #isLive(time: number): boolean {
    return this.#arrivedAt - time <= this.#options.timeoutMs;
  }

  /** A server's event that names no device, and may belong to the session of its profile. */
  #isOfProfile(bytes: Uint8Array, spans: Int32Array): boolean {
    const { sender } = this.#options;
    if (!sender.isServer || spans[Span.deviceId] >= 0 || spans[Span.profileId] < 0) return false;
    const profileId = decoder.decode(bytes.subarray(spans[Span.profileId], spans[Span.profileId + 1]));
    return sender.hasLiveProfile(profileId);
  }

  /** The identity of the row; undefined when it has none, null when its id is not fit to be one. */
  #identityOf(at: RowAt, where: Whereabouts): Identity | undefined | null {
    const { spans } = this.#reader;
    const start = spans[Span.insertId];
    if (start < 0) return undefined;
    const insertId = decoder.decode(at.bytes.subarray(start, spans[Span.insertId + 1]));
    if (insertId.length > 256) return null;
    return { key: identityKey("project", this.#options.sender.project, insertId), row: at.row, memo: where };
  }

  #placeOf(time: number): RowPlace {
    const day = Math.floor(time / dayMs);
    if (day !== this.#placeDay || this.#place === undefined) {
      this.#place = rowPlace("event", this.#options.sender.project, dayOf(time));
      this.#placeDay = day;
    }
    return this.#place;
  }
}

function referrerOf(device: Device): Uint8Array {
  const referrer = device.session?.referrer ?? "";
  if (referrer !== device.referrer) {
    device.referrer = referrer;
    device.referrerBytes = encoder.encode(referrer);
  }
  return device.referrerBytes;
}

function put(out: Uint8Array, at: number, piece: Uint8Array): number {
  for (let i = 0; i < piece.length; i++) out[at + i] = piece[i];
  return at + piece.length;
}

function copy(out: Uint8Array, at: number, bytes: Uint8Array, spans: Int32Array, span: number): number {
  const start = spans[span];
  const size = spans[span + 1] - start;
  for (let i = 0; i < size; i++) out[at + i] = bytes[start + i];
  return at + size;
}

function digits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) {
    const digit = bytes[at + i] - 0x30;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** FNV-1a, 32 bits: finds an entry; {@link same} decides. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash >>> 0;
}

function same(text: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text[i]) return false;
  return true;
}
