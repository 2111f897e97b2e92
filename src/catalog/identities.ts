/**
 * The identities that were flushed, tables of their own for each day on which they were first stored, so that
 * forgetting a day is dropping them:
 *
 * - `identity_digests_20261120` holds them in chunks of up to {@link chunkSize}, as they came: digests of 16 bytes one
 *   behind the other, for each of them the number of its memo as one byte, and the memos as a flat JSON array of
 *   device id and session id in turn.
 * - Two more tell in which chunks there is a digest with some first word, see `identity_runs.ts`. Whole digests are in
 *   no index at all.
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { IdentityMemo } from "../base/identity.ts";
import { digestWords } from "../base/identity_hash.ts";
import { chunksIn, pagesSql, runTables, RunWriter } from "./identity_runs.ts";

/** Identities in a chunk; the number of a memo in it is one byte. */
const chunkSize = 256;
/** First words that wait for the end of the transaction at first, and at most; only a rebuild has so many. */
const firstWaiting = 1_024;
const maxWaiting = 2 ** 20;
/** A word of 32 bits and the number of a chunk within the transaction share the 53 bits of a number. */
const chunksBound = 2 ** 21;
/** Chunks read at once when all of them are walked. */
const chunksPerPage = 16;

/** The days that have identities, youngest first. */
export function identityDays(database: DatabaseSync): string[] {
  const names = database.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'identity_digests_[0-9]*' ORDER BY name DESC",
  ).all() as unknown as { name: string }[];
  return names.map(({ name }) => name.slice(-8).replace(/^(....)(..)(..)$/, "$1-$2-$3"));
}

/** Forgets the identities first seen on a day (`YYYY-MM-DD`). */
export function dropIdentities(database: DatabaseSync, day: string): void {
  const tables = [digestTable(day), ...runTables(digitsOf(day))];
  database.exec(tables.map((table) => `DROP TABLE ${table};`).join(" "));
}

function digestTable(day: string): string {
  return `identity_digests_${digitsOf(day)}`;
}

function digitsOf(day: string): string {
  return day.replaceAll("-", "");
}

/** Adds identities within a transaction; they are all there once {@link IdentityWriter.finish} was called. */
export class IdentityWriter {
  readonly #database: DatabaseSync;
  #day = "";
  /** Prepared once in a transaction, because the day's tables may be made in it. */
  #insertChunk: StatementSync | undefined;
  #runs: RunWriter | undefined;
  /** The identities that are in no chunk yet. */
  readonly #digests = new Int32Array(chunkSize * digestWords);
  readonly #memoNumbers = new Uint8Array(chunkSize);
  /** Numbers of its memos, by object and by their JSON. */
  readonly #numbers = new Map<IdentityMemo | string, number>();
  readonly #memos: string[] = [];
  #count = 0;
  /** First word times {@link chunksBound}, plus the number of the chunk. */
  #words = new Float64Array(firstWaiting);
  #waiting = 0;
  /** Chunks of this transaction since {@link #firstChunk}. */
  #chunks = 0;
  #firstChunk = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** A transaction begins. @param day On which its identities are first stored, `YYYY-MM-DD`. */
  begin(day: string): void {
    this.forget();
    this.#day = day;
  }

  /** Adds one. @param digests Its digest are the words from number `at` on. */
  add(digests: Int32Array, at: number, memo: IdentityMemo): void {
    for (let word = 0; word < digestWords; word++) {
      this.#digests[this.#count * digestWords + word] = digests[at + word];
    }
    this.#memoNumbers[this.#count] = this.#numberOf(memo);
    if (this.#waiting === this.#words.length) this.#growWords();
    this.#words[this.#waiting++] = (digests[at] >>> 0) * chunksBound + this.#chunks;
    if (++this.#count === chunkSize) this.#writeChunk();
    if (this.#waiting === maxWaiting) this.finish();
  }

  /** Writes what waits; to be called before the transaction is committed. */
  finish(): void {
    if (this.#count > 0) this.#writeChunk();
    if (this.#waiting === 0) return;
    const packed = this.#words.subarray(0, this.#waiting).sort();
    const words = new Uint32Array(packed.length);
    const chunks = new Uint32Array(packed.length);
    packed.forEach((value, i) => {
      words[i] = Math.floor(value / chunksBound);
      chunks[i] = this.#firstChunk + value - words[i] * chunksBound;
    });
    this.#runs!.add({ words, chunks });
    this.#waiting = 0;
    this.#firstChunk += this.#chunks;
    this.#chunks = 0;
  }

  /** The transaction is over. */
  forget(): void {
    this.#waiting = this.#count = this.#chunks = 0;
    // What one large transaction needed is not kept for ever.
    this.#words = new Float64Array(firstWaiting);
    this.#numbers.clear();
    this.#memos.length = 0;
    this.#insertChunk = this.#runs = undefined;
  }

  /** The number of a memo in this chunk. */
  #numberOf(memo: IdentityMemo): number {
    const known = this.#numbers.get(memo);
    if (known !== undefined) return known;
    const text = `${JSON.stringify(memo.deviceId)},${JSON.stringify(memo.sessionId)}`;
    const number = this.#numbers.get(text) ?? this.#memos.push(text) - 1;
    this.#numbers.set(text, number).set(memo, number);
    return number;
  }

  #writeChunk(): void {
    if (this.#insertChunk === undefined) this.#prepare();
    this.#insertChunk!.run(
      this.#firstChunk + this.#chunks++,
      new Uint8Array(this.#digests.buffer, 0, this.#count * digestWords * 4),
      this.#memoNumbers.subarray(0, this.#count),
      `[${this.#memos.join(",")}]`,
    );
    this.#numbers.clear();
    this.#count = this.#memos.length = 0;
  }

  #prepare(): void {
    const digests = digestTable(this.#day);
    this.#database.exec(`
      CREATE TABLE IF NOT EXISTS ${digests} (
        id INTEGER PRIMARY KEY, digests BLOB NOT NULL, memo_numbers BLOB NOT NULL, memos TEXT NOT NULL
      );
    `);
    const last = this.#database.prepare(`SELECT max(id) AS id FROM ${digests}`).get();
    this.#firstChunk = ((last as unknown as { id: number | null }).id ?? 0) + 1;
    this.#insertChunk = this.#database.prepare(`INSERT INTO ${digests} VALUES (?, ?, ?, ?)`);
    this.#runs = new RunWriter(this.#database, digitsOf(this.#day));
  }

  #growWords(): void {
    const grown = new Float64Array(2 * this.#words.length);
    grown.set(this.#words);
    this.#words = grown;
  }
}

interface Chunk {
  readonly digests: Uint8Array;
  readonly memo_numbers: Uint8Array;
  readonly memos: string;
}

/** A page of a run that may hold a word. */
interface FoundPage {
  /** As `YYYYMMDD`. */
  readonly day: string;
  /** Null where all words of the run are greater. */
  readonly entries: Uint8Array | null;
}

/** Looks identities up. Which tables there are is looked at when it is made. */
export class IdentityReader {
  readonly #database: DatabaseSync;
  /** Pages of the youngest day first. */
  readonly #findPages: StatementSync | undefined;
  readonly #chunks = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
    const days = identityDays(database);
    if (days.length === 0) return;
    this.#findPages = database.prepare(days.map((day) => pagesSql(digitsOf(day))).join(" UNION ALL "));
    for (const day of days) {
      const statement = database.prepare(
        `SELECT digests, memo_numbers, memos FROM ${digestTable(day)} WHERE id = ?`,
      );
      this.#chunks.set(digitsOf(day), statement);
    }
  }

  /**
   * What the first row with this identity was answered; undefined when none was flushed.
   * @param digests Its digest are the words from number `at` on.
   */
  find(digests: Int32Array, at: number): IdentityMemo | undefined {
    const word = digests[at] >>> 0;
    const pages = (this.#findPages?.all(word) ?? []) as unknown as FoundPage[];
    for (const { day, entries } of pages) {
      for (const id of entries === null ? [] : chunksIn(entries, word)) {
        const chunk = this.#chunks.get(day)!.get(id) as unknown as Chunk;
        const i = placeIn(wordsOf(chunk.digests), digests, at);
        if (i < 0) continue;
        const memos = JSON.parse(chunk.memos) as string[];
        const memo = 2 * chunk.memo_numbers[i];
        return { deviceId: memos[memo], sessionId: memos[memo + 1] };
      }
    }
    return undefined;
  }

  /** The digests of every chunk, youngest day first; read page by page. */
  *digests(): Generator<Int32Array, void, undefined> {
    for (const day of identityDays(this.#database)) {
      for (let after = 0;;) {
        const page = this.#page(day, after);
        for (const { digests } of page) yield wordsOf(digests);
        if (page.length < chunksPerPage) break;
        after = page[page.length - 1].id;
      }
    }
  }

  #page(day: string, after: number): { id: number; digests: Uint8Array }[] {
    // The day may have been dropped since the page before.
    if (!identityDays(this.#database).includes(day)) return [];
    const rows = this.#database.prepare(
      `SELECT id, digests FROM ${digestTable(day)} WHERE id > ? ORDER BY id LIMIT ?`,
    ).all(after, chunksPerPage);
    return rows as unknown as { id: number; digests: Uint8Array }[];
  }
}

/** A copy where they are not aligned. */
function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array): Int32Array {
  return byteOffset % 4 === 0
    ? new Int32Array(buffer, byteOffset, byteLength / 4)
    : new Int32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

/** Which of the digests in `words` it is; -1 when it is none. */
function placeIn(words: Int32Array, digests: Int32Array, at: number): number {
  const w0 = digests[at], w1 = digests[at + 1], w2 = digests[at + 2], w3 = digests[at + 3];
  for (let i = 0; i < words.length; i += digestWords) {
    if (words[i] === w0 && words[i + 1] === w1 && words[i + 2] === w2 && words[i + 3] === w3) {
      return i / digestWords;
    }
  }
  return -1;
}
