/**
 * Records: what a row turns into. One record is one line of JSON bytes with a kind, an identity, a time and the
 * place where it belongs. The same bytes go into the journal and, for rows, into the parts.
 *
 * Lines of the family `rows` begin with `{"kind":..,"project_id":..|"app":..,"created_at":..,"id":..` and carry
 * `insert_id` where the row has an identity; that is all the daemon needs to know to place them again when it
 * reads its journal back.
 * @module
 */

import { createHash } from "node:crypto";
import type { BufferPool } from "./buffer_pool.ts";
import { ByteWriter } from "./byte_writer.ts";
import type { Identity } from "./identity.ts";
import { SessionTally } from "./session_tally.ts";
import { UnitIdentities, type WrittenIdentity } from "./unit_identities.ts";

export { type Identity, identityKey, type IdentityMemo, identityOwner } from "./identity.ts";

/** What kinds there are, who owns a record of that kind, and the folder its parts go to. */
export const recordKinds = {
  event: { family: "rows", directory: "events", owner: "project" },
  operation: { family: "rows", directory: "operations", owner: "project" },
  profile: { family: "rows", directory: "profiles", owner: "project" },
  group: { family: "rows", directory: "groups", owner: "project" },
  replay: { family: "rows", directory: "replays", owner: "project" },
  bot: { family: "rows", directory: "bots", owner: "project" },
  session: { family: "rows", directory: "sessions", owner: "project" },
  change: { family: "rows", directory: "changes", owner: "app" },
  mail: { family: "rows", directory: "mails", owner: "app" },
  action: { family: "rows", directory: "actions", owner: "app" },
  visit: { family: "rows", directory: "visits", owner: "app" },
  recording: { family: "rows", directory: "recordings", owner: "app" },
  request: { family: "traces", directory: "traces", owner: "app" },
  batch: { family: "traces", directory: "traces", owner: "app" },
  test_event: { family: "traces", directory: "runs", owner: "" },
  reply: { family: "replies", directory: "", owner: "" },
} as const;

/** One of {@link recordKinds}. */
export type RecordKind = keyof typeof recordKinds;
/** Kinds whose lines go to parts as they are. */
export type RowKind = {
  [K in RecordKind]: (typeof recordKinds)[K]["family"] extends "rows" ? K : never;
}[RecordKind];

/** A row's place: the folder below data_dir that its part lies in. */
export interface RowPlace {
  readonly family: "rows";
  /** Such as `events/project=p/date=2026-11-20`. */
  readonly partition: string;
}

/** Width of the room that a line leaves for a batch index that is given later. */
export const assumedIndexBytes = 10;

/** Where a record of a request belongs, and what the index must know of it. */
export interface TracePlace {
  readonly family: "traces";
  readonly kind: "request" | "batch";
  readonly app: string;
  readonly sid: string;
  readonly rid: string;
  /**
   * Batch index; for metadata, the batch index it came with, or -1. A batch whose index the client left out has -1
   * until the index of requests gives it one.
   */
  index: number;
  /**
   * Bytes from the start of the record's line to {@link assumedIndexBytes} spaces that take the number when it is
   * known; 0 when it stands there.
   */
  readonly indexOffset: number;
  /** Time of the entry, ms since the epoch; the arrival time where it had none. */
  readonly t: number;
  /** Declared number of batches, or -1. */
  readonly total: number;
  /** First 48 bits of SHA-256 over the events' bytes; 0 for metadata. */
  readonly hash: number;
  /** Did the client leave the index out? */
  readonly assumed: boolean;
  /** Bytes from the start of the record's line to the `[` of its events; 0 for metadata. */
  readonly eventsOffset: number;
  /** Bytes of the events, both brackets included; 0 for metadata. */
  readonly eventsLength: number;
}

/** A reply kept for a repeated Idempotency-Key. */
export interface ReplyPlace {
  readonly family: "replies";
  /** Scope and key. */
  readonly key: string;
  readonly reply: KeptReply;
}

/** What a repeated request is answered with. */
export interface KeptReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** When it was given, ms since the epoch. */
  readonly at: number;
}

/** Where one record belongs. */
export type Place = RowPlace | TracePlace | ReplyPlace;

/** Bytes at the front of a unit that the journal fills in: length and CRC-32. */
export const frameHeaderBytes = 8;

/**
 * The records of one request, or of one window of an NDJSON stream: what is stored together or not at all.
 *
 * - `starts[i]` .. `starts[i + 1]` (or the end) are the bytes of record i, its line break included.
 * - `places[i]` says where record i belongs.
 */
export class Unit {
  readonly writer: ByteWriter;
  readonly starts: number[] = [];
  readonly places: Place[] = [];
  #identified: UnitIdentities | undefined;
  #tallies = new Map<unknown, SessionTally>();
  #hasLostTallied = false;
  #open: number;

  /**
   * @param capacity First size of the buffer, in bytes.
   * @param pool Where buffers come from.
   */
  constructor(capacity = 4096, pool?: BufferPool) {
    this.writer = new ByteWriter(capacity, frameHeaderBytes, pool);
    this.#open = frameHeaderBytes;
  }

  /** How many records it holds. */
  get count(): number {
    return this.starts.length;
  }

  /** The identities of its records; undefined when none has one. */
  get identified(): UnitIdentities | undefined {
    return this.#identified;
  }

  /** The identity of each record as an object, always the same one; undefined for a record that has none. */
  get identities(): (Identity | undefined)[] {
    return this.starts.map((_, i) => this.identityOf(i));
  }

  /** The identity of record i. */
  identityOf(i: number): Identity | undefined {
    const number = this.#identified?.of(i) ?? -1;
    return number < 0 ? undefined : this.#identified!.get(number, this);
  }

  /** What its events say of their sessions; to be counted anew where {@link hasLostTallied}. */
  get tallies(): ReadonlyMap<unknown, SessionTally> {
    return this.#tallies;
  }

  /** Were records taken out that a tally counts? */
  get hasLostTallied(): boolean {
    return this.#hasLostTallied;
  }

  /** The tally of a session's events in this unit. */
  tallyOf<S>(session: S, arrivedAt: number): SessionTally<S> {
    const known = this.#tallies.get(session);
    if (known !== undefined) return known as SessionTally<S>;
    const tally = new SessionTally(session, this.#tallies, arrivedAt);
    this.#tallies.set(session, tally);
    return tally;
  }

  /** Begins to tally anew. */
  clearTallies(): void {
    this.#tallies = new Map();
    this.#hasLostTallied = false;
  }

  /** End of record i. */
  end(i: number): number {
    return i + 1 < this.starts.length ? this.starts[i + 1] : this.#open;
  }

  /** Closes the record whose JSON was written since the last call: adds the line break and its place. */
  close(place: Place, identity?: Identity): void {
    this.writer.byte(0x0a);
    this.starts.push(this.#open);
    this.places.push(place);
    this.#open = this.writer.length;
    if (identity !== undefined) this.#identify().add(this.starts.length - 1, identity);
  }

  /**
   * Closes the next of several records that were written at once, each with its line break.
   * @param end Where it ends; nothing else may be done with the unit until all that was written is closed.
   */
  closeAt(end: number, place: Place, identity?: Identity): void {
    this.starts.push(this.#open);
    this.places.push(place);
    this.#open = end;
    if (identity !== undefined) this.#identify().add(this.starts.length - 1, identity);
  }

  /** The record closed last has this identity, whose id stands in it: cheaper than handing an {@link Identity} over. */
  identify(identity: WrittenIdentity): void {
    this.#identify().addWritten(this.starts.length - 1, identity);
  }

  /** Forgets what was written since the last {@link close}: the row failed half-way. */
  abandon(): void {
    this.writer.truncate(this.#open);
  }

  /** Where it stands, for {@link rollback}. */
  mark(): number {
    return this.starts.length;
  }

  /** Forgets every record from number `mark` on. */
  rollback(mark: number): void {
    if (mark < this.starts.length) {
      this.#open = this.starts[mark];
      if (mark === 0) this.clearTallies();
      else if (this.#tallies.size > 0) this.#hasLostTallied = true;
    }
    this.writer.truncate(this.#open);
    this.#identified?.rollback(mark);
    this.starts.length = this.places.length = mark;
  }

  /** Takes out the records for which `drop` is true, each asked once, in order; the others keep their order. */
  drop(drop: (i: number) => boolean): void {
    const bytes = this.writer.view();
    const count = this.starts.length;
    let kept = 0;
    let to = frameHeaderBytes;
    for (let i = 0; i < count; i++) {
      if (drop(i)) continue;
      const start = this.starts[i];
      const end = i + 1 < count ? this.starts[i + 1] : this.#open;
      if (to !== start) bytes.copyWithin(to, start, end);
      this.starts[kept] = to;
      this.places[kept] = this.places[i];
      this.#identified?.move(i, kept);
      to += end - start;
      kept++;
    }
    this.starts.length = this.places.length = kept;
    this.#identified?.truncate(kept);
    this.writer.remove(to, this.#open);
    this.#open = to;
    if (kept < count && this.#tallies.size > 0) this.#hasLostTallied = true;
  }

  #identify(): UnitIdentities {
    return this.#identified ??= new UnitIdentities();
  }
}

/** A day as `YYYY-MM-DD`, UTC. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

const rowPlaces = new Map<string, RowPlace>();

/**
 * The place of a row of this kind, owner and day. Names are percent-encoded so that no owner from outside can
 * leave its partition: only letters, digits, `_` and `-` stay, also `.` where it is not the first character.
 *
 * @throws RangeError when the day is no `YYYY-MM-DD`
 */
export function rowPlace(kind: RowKind, owner: string, day: string): RowPlace {
  const cacheKey = `${kind}/${day}/${owner}`;
  const known = rowPlaces.get(cacheKey);
  if (known) return known;
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) {
    throw new RangeError(
      `Cannot place a row: day must be YYYY-MM-DD: current value is ${JSON.stringify(day)}`,
    );
  }
  const { directory, owner: column } = recordKinds[kind];
  const partition = `${directory}/${column}=${encodeName(owner)}/date=${day}`;
  const place: RowPlace = { family: "rows", partition };
  if (rowPlaces.size >= 10_000) rowPlaces.clear();
  rowPlaces.set(cacheKey, place);
  return place;
}

/** Longest name of a folder that {@link encodeName} gives; file systems take 255 bytes. */
const maxNameBytes = 200;

/** A name as one safe path segment: never empty, never `.` or `..`, at most 200 bytes, another one for each name. */
export function encodeName(name: string): string {
  const bytes = new TextEncoder().encode(name);
  let out = "";
  bytes.forEach((byte, i) => {
    const char = String.fromCharCode(byte);
    out += /[A-Za-z0-9_-]/.test(char) || (char === "." && i > 0)
      ? char
      : "%" + byte.toString(16).toUpperCase().padStart(2, "0");
  });
  // Behind "%" all other names have two digits, so that no other is written like the empty or a long one.
  if (out === "") return "%-";
  if (out.length <= maxNameBytes) return out;
  return out.slice(0, 160).replace(/%.?$/, "") + "%-" +
    createHash("sha256").update(bytes).digest("hex").slice(0, 32);
}
