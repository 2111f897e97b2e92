/**
 * What an index of trace requests must know, done the slow and plain way: one list, searched from end to end.
 * @module
 */

import type { TraceSpec } from "./units.ts";

/** A record as the model knows it. */
export interface NaiveRecord {
  readonly kind: "batch" | "request";
  readonly sid: string;
  readonly rid: string;
  readonly index: number;
  readonly content: number;
  readonly t: number;
  readonly total: number;
  readonly assumed: boolean;
  state: "pending" | "placed" | "inFlush" | "flushed";
  segment: number;
  isSuperseded: boolean;
}

/** What a plan or a reader is told besides the records. */
export interface NaiveCounts {
  total: number;
  replaced: number;
  firstT: number;
  lastT: number;
}

interface Counted {
  fresh: NaiveCounts[];
  inFlush: NaiveCounts[];
  activity: number;
}

/** The model. */
export class NaiveTraces {
  records: NaiveRecord[] = [];
  readonly #counted = new Map<string, Counted>();

  /** Returns the record, or undefined for a repeat. */
  reserve(spec: TraceSpec & { content?: number }): NaiveRecord | undefined {
    const { sid = "S", rid, t, total = -1, content } = spec;
    const batches = this.of(sid, rid).filter((record) => record.kind === "batch");
    let index = spec.index;
    if (content !== undefined) {
      const youngest = new Map(batches.map((batch) => [batch.index, batch]));
      const repeats = index === undefined
        ? [...youngest.values()].some((batch) => batch.content === content)
        : youngest.get(index)?.content === content;
      if (repeats) return undefined;
      index ??= Math.max(-1, ...batches.map((batch) => batch.index).filter((each) => each < 5e9)) + 1;
    }
    const record: NaiveRecord = {
      kind: content === undefined ? "request" : "batch",
      sid,
      rid,
      index: index ?? -1,
      content: content ?? -1,
      t,
      total,
      assumed: content !== undefined && spec.index === undefined,
      state: "pending",
      segment: 0,
      isSuperseded: false,
    };
    this.records.push(record);
    return record;
  }

  place(record: NaiveRecord, segment: number, now: number): void {
    const older = record.kind === "request"
      ? undefined
      : this.of(record.sid, record.rid).findLast((each) =>
        each.kind === "batch" && each.index === record.index && each.state !== "pending" &&
        !each.isSuperseded
      );
    if (older?.state === "flushed") this.release(older);
    else if (older) older.isSuperseded = true;
    record.state = "placed";
    record.segment = segment;
    const counted = this.#countedOf(record.sid, record.rid);
    counted.activity = now;
    const { total, t } = record;
    counted.fresh.push({ total, replaced: older ? 1 : 0, firstT: t, lastT: t });
  }

  release(record: NaiveRecord): void {
    this.records.splice(this.records.indexOf(record), 1);
  }

  /** Takes the records of this request; the ones that nothing replaces must be written. */
  take(sid: string, rid: string): { records: NaiveRecord[]; counts: NaiveCounts } {
    const taken = this.of(sid, rid).filter((record) => record.state === "placed");
    for (const record of taken) record.state = "inFlush";
    const counted = this.#countedOf(sid, rid);
    counted.inFlush = counted.fresh;
    counted.fresh = [];
    return { records: taken.filter((record) => !record.isSuperseded), counts: sum(counted.inFlush) };
  }

  committed(): void {
    this.records = this.records.filter((record) =>
      record.state !== "inFlush" || record.kind === "batch" && !record.isSuperseded
    );
    for (const record of this.records) if (record.state === "inFlush") record.state = "flushed";
    for (const counted of this.#counted.values()) counted.inFlush = [];
  }

  failed(): void {
    for (const record of this.records) if (record.state === "inFlush") record.state = "placed";
    for (const counted of this.#counted.values()) {
      counted.fresh.unshift(...counted.inFlush);
      counted.inFlush = [];
    }
  }

  /** What is left after a crash: all that is in the journal or in parts. */
  crashed(now: number): void {
    this.failed();
    this.records = this.records.filter((record) => record.state !== "pending");
    for (const counted of this.#counted.values()) counted.activity = now;
  }

  /** The records of a request, oldest first. */
  of(sid: string, rid: string): NaiveRecord[] {
    return this.records.filter((record) => record.sid === sid && record.rid === rid);
  }

  /** What the journal holds of a request and no committed part does. */
  read(sid: string, rid: string): { records: NaiveRecord[]; counts: NaiveCounts } | undefined {
    const records = this.of(sid, rid).filter((record) =>
      (record.state === "placed" || record.state === "inFlush") && !record.isSuperseded
    );
    if (records.length === 0) return undefined;
    const counted = this.#countedOf(sid, rid);
    return { records, counts: sum([...counted.fresh, ...counted.inFlush]) };
  }

  activity(sid: string, rid: string): number {
    return this.#countedOf(sid, rid).activity;
  }

  #countedOf(sid: string, rid: string): Counted {
    const key = `${sid}/${rid}`;
    const known = this.#counted.get(key);
    if (known) return known;
    const counted = { fresh: [], inFlush: [], activity: 0 };
    this.#counted.set(key, counted);
    return counted;
  }
}

function sum(all: readonly NaiveCounts[]): NaiveCounts {
  return {
    total: Math.max(-1, ...all.map((each) => each.total)),
    replaced: all.reduce((count, each) => count + each.replaced, 0),
    firstT: Math.min(Infinity, ...all.map((each) => each.firstT)),
    lastT: Math.max(-Infinity, ...all.map((each) => each.lastT)),
  };
}
