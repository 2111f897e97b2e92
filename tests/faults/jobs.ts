/**
 * Requests of a random load: every route that takes rows, bodies of every size, with and without a way to be
 * recognised when they are sent again, and some that are cut off or are no JSON.
 * @module
 */

import type { Ledger, SentRows } from "./ledger.ts";
import { markOf } from "./stored.ts";

/** Most rows of one body. */
const maxRows = 2000;
/** Together 2.8 MB: a frame of seven pieces, the short last one included. */
const largeRows = { count: 47, size: 60_000 };

/** One request, to be sent once, or again and again where it is `repeatable`. */
export interface Job {
  readonly shape: "single" | "batch" | "entries" | "stream" | "spoiled" | "torn";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Rows as JSON texts; those of a stream go one a line. */
  readonly rows: readonly string[];
  readonly sent: SentRows;
  /** May it be sent again after nobody knows what became of it? */
  readonly repeatable: boolean;
}

/** How jobs are made. */
export interface JobMakerOptions {
  readonly ledger: Ledger;
  /** Numbers from 0 to 1. */
  readonly random: () => number;
  /** Do some requests have an Idempotency-Key? @default true */
  readonly areKeyed?: boolean;
}

/** Requests of a trace that one after the other gets its batches. */
interface OpenTrace {
  readonly rid: string;
  readonly total: number;
  next: number;
}

/** Makes jobs of random kinds. */
export class JobMaker {
  readonly #ledger: Ledger;
  readonly #random: () => number;
  readonly #areKeyed: boolean;
  readonly #traces: OpenTrace[] = [];
  #named = 0;

  constructor({ ledger, random, areKeyed = true }: JobMakerOptions) {
    this.#ledger = ledger;
    this.#random = random;
    this.#areKeyed = areKeyed;
  }

  /** The next request. */
  next(): Job {
    const chance = this.#random();
    if (chance < 0.3) return this.single();
    if (chance < 0.58) return this.batch();
    if (chance < 0.68) return this.stream();
    if (chance < 0.92) return this.entries();
    return this.broken();
  }

  /** One row at /track. */
  single(): Job {
    const { sent, rows, repeatable } = this.#rows("unit", 1);
    return { ...this.#keyed(repeatable), shape: "single", path: "/track", rows, sent };
  }

  /** Some rows at /track/batch, half of the time with insert ids, now and then with an Idempotency-Key. */
  batch(count = this.#size()): Job {
    const { sent, rows, repeatable } = this.#rows("unit", count);
    return { ...this.#keyed(repeatable), shape: "batch", path: "/track/batch", rows, sent };
  }

  /** Rows at /track/batch whose frame gets a segment of its own. @param by Who has a name: each row, or the request. */
  large(by: "rows" | "request"): Job {
    const { count, size } = largeRows;
    const { sent, rows } = this.#rows("unit", count, { isNamed: by === "rows", size });
    const headers: Job["headers"] = by === "rows" ? {} : { "idempotency-key": `request ${this.#named++}` };
    return { headers, repeatable: true, shape: "batch", path: "/track/batch", rows, sent };
  }

  /** Rows at /track/batch as NDJSON. */
  stream(count = this.#size()): Job {
    const { sent, rows, repeatable } = this.#rows("stream", count);
    const headers = { "content-type": "application/x-ndjson" };
    return { headers, repeatable, shape: "stream", path: "/track/batch", rows, sent };
  }

  /** A batch of a trace that must leave nothing behind: cut off, or no JSON at its end. */
  broken(): Job {
    const { sent, rows } = this.#rows("void", this.#size());
    const shape = this.#random() < 0.5 ? "spoiled" : "torn";
    return { headers: {}, repeatable: false, shape, path: "/track/batch", rows, sent };
  }

  /** Batches of traces, and what comes along with them. Content makes them recognisable. */
  entries(): Job {
    const chance = this.#random();
    const texts: ((first: number) => string)[] = [];
    let count = 0;
    const add = (rows: number, text: (first: number) => string): void => {
      const offset = count;
      texts.push((first) => text(first + offset));
      count += rows;
    };
    if (chance < 0.2) add(1, (n) => this.#change(n));
    else if (chance < 0.3) this.#addBatch({ rid: `unindexed-${this.#named++}` }, add);
    else if (chance < 0.4) this.#addRequest(add);
    else for (let i = this.#upTo(3); i > 0; i--) this.#addTraceBatch(add);
    const sent = this.#ledger.enter("unit", count);
    const rows = texts.map((text) => text(sent.first));
    const path = "/v1/sessions/S1/backend";
    return { shape: "entries", path, headers: {}, rows, sent, repeatable: true };
  }

  #rows(
    kind: SentRows["kind"],
    count: number,
    { isNamed = this.#random() < 0.5, size }: { isNamed?: boolean; size?: number } = {},
  ): { sent: SentRows; rows: string[]; repeatable: boolean } {
    const sent = this.#ledger.enter(kind, count);
    const rows = Array.from({ length: count }, (_, i) => this.#row(sent.first + i, { isNamed, size }));
    return { sent, rows, repeatable: isNamed };
  }

  #row(n: number, { isNamed, size }: { isNamed: boolean; size?: number }): string {
    const chance = this.#random();
    // Mostly small; now and then large enough for a kill to come in the middle of its write.
    const mark = markOf(n, size ?? (chance < 0.003 ? 150_000 : Math.floor(chance * 120)));
    const properties = { ...mark, ...isNamed && chance < 0.3 && { __insertId: `row ${n}` } };
    const insertId = isNamed && chance >= 0.3 ? `row ${n}` : undefined;
    if (chance > 0.97) {
      return JSON.stringify({ type: "identify", payload: { profileId: `p${n}`, properties }, insertId });
    }
    if (chance > 0.95) {
      return JSON.stringify({
        type: "group",
        payload: { id: `g${n}`, type: "t", name: "g", properties },
        insertId,
      });
    }
    return JSON.stringify({ type: "track", payload: { name: "load", properties, insertId } });
  }

  /** Rows without names of their own may come with a name for the request. */
  #keyed(areNamed: boolean): { headers: Record<string, string>; repeatable: boolean } {
    if (areNamed || !this.#areKeyed || this.#random() < 0.6) return { headers: {}, repeatable: areNamed };
    return { headers: { "idempotency-key": `request ${this.#named++}` }, repeatable: true };
  }

  #change(n: number): string {
    return JSON.stringify({
      actionId: "A",
      t: 1_700_000_000_000 + n,
      db: [{ collection: "c", after: markOf(n, 30) }],
    });
  }

  #addRequest(add: (rows: number, text: (first: number) => string) => void): void {
    const rid = `described-${this.#named++}`;
    add(1, (n) => JSON.stringify({ request: { rid, method: "GET", url: "/u", respBody: markOf(n, 20) } }));
    this.#addBatch({ rid, index: 0, total: 1 }, add);
  }

  #addTraceBatch(add: (rows: number, text: (first: number) => string) => void): void {
    if (this.#traces.length < 12) {
      // Some never get all that they announce.
      this.#traces.push({ rid: `indexed-${this.#named++}`, total: 1 + this.#upTo(8), next: 0 });
    }
    const at = Math.floor(this.#random() * this.#traces.length);
    const trace = this.#traces[at];
    const { rid, total } = trace;
    this.#addBatch({ rid, index: trace.next++, total }, add);
    if (trace.next === total || this.#random() < 0.03) this.#traces.splice(at, 1);
  }

  #addBatch(
    { rid, index, total }: { rid: string; index?: number; total?: number },
    add: (rows: number, text: (first: number) => string) => void,
  ): void {
    const count = this.#upTo(20);
    const size = this.#random() < 0.05 ? 5_000 : this.#upTo(60);
    add(count, (first) => {
      const events = Array.from({ length: count }, (_, i) => markOf(first + i, size));
      const trace = this.#random() < 0.5 ? events : JSON.stringify(events);
      return JSON.stringify({ rid, trace, ...index !== undefined && { traceBatch: { rid, index, total } } });
    });
  }

  #size(): number {
    const chance = this.#random();
    if (chance < 0.5) return this.#upTo(8);
    return this.#upTo(chance < 0.95 ? 120 : maxRows);
  }

  /** A number from 1 to `most`. */
  #upTo(most: number): number {
    return 1 + Math.floor(this.#random() * most);
  }
}

const encoder = new TextEncoder();

/** The body of a job; a stream goes on behind the rows that are safe. */
export function bodyOf(job: Job): Uint8Array<ArrayBuffer> {
  const { shape, rows, sent } = job;
  if (shape === "stream") return encoder.encode(rows.slice(sent.safe).join("\n") + "\n");
  if (shape === "single") return encoder.encode(rows[0]);
  const name = shape === "entries" ? "entries" : "events";
  const text = `{"${name}":[${rows.join(",")}]}`;
  return encoder.encode(shape === "spoiled" ? text.slice(0, -1) : text);
}
