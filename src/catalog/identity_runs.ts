/**
 * In which chunks of a day's identities there is a digest with some first word.
 *
 * Words come in no order, and an index of them would rewrite a page for nearly every one: 2 us an identity when a day
 * has eight million, and more with each one that follows (measured). So what comes at once is sorted and written as a
 * run, and runs of about one size are merged into a longer one: each word is written some few times, and a look-up asks
 * some few runs.
 *
 * - `identity_runs_20261120` lists the runs. Its statement and that on the pages are one, so that no look-up falls
 *   between the pages that a merge takes away and those that it brings.
 * - `identity_words_20261120` holds their pages: words in order, then the number of the chunk of each, as u32 in little
 *   endian. The id of a page is the number of its run times 2^32, plus its first word. Equal words are in one page.
 *
 * Source of the form: P. O'Neil et al., "The Log-Structured Merge-Tree" (1996).
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Entries of a page; two of them fill one of SQLite. */
const pageEntries = 250;
/** Runs of one level that become one of the next. */
const fanOut = 4;
/** Longer runs are not made: merging one takes half a second. */
const maxRunEntries = 16_000_000;
const wordsBound = 2 ** 32;

/** Words in order, and the chunk of each. */
export interface SortedWords {
  readonly words: Uint32Array;
  readonly chunks: Uint32Array;
}

/** A run as it is listed. */
interface Run {
  readonly run: number;
  readonly entries: number;
}

interface Page {
  readonly id: number;
  readonly entries: Uint8Array;
}

/** The tables of a day (`YYYYMMDD`), to be dropped with it. */
export function runTables(day: string): string[] {
  return [`identity_runs_${day}`, `identity_words_${day}`];
}

/** A query for the page of each run of a day that may hold the word `?1`. */
export function pagesSql(day: string): string {
  return `SELECT '${day}' AS day, (SELECT entries FROM identity_words_${day} ` +
    "WHERE id BETWEEN run << 32 AND (run << 32) + ?1 ORDER BY id DESC LIMIT 1) AS entries " +
    `FROM identity_runs_${day}`;
}

/** The chunks that a page names for a word. */
export function chunksIn(page: Uint8Array, word: number): number[] {
  const { words, chunks } = entriesOf(page);
  let from = 0;
  for (let to = words.length; from < to;) {
    const middle = (from + to) >>> 1;
    if (words[middle] < word) from = middle + 1;
    else to = middle;
  }
  const found: number[] = [];
  for (let i = from; words[i] === word; i++) found.push(chunks[i]);
  return found;
}

/** Writes runs of one day, within a transaction. */
export class RunWriter {
  readonly #database: DatabaseSync;
  readonly #day: string;
  readonly #insertPage: StatementSync;
  readonly #readPages: StatementSync;

  /** Makes the day's tables where they are missing. @param day As `YYYYMMDD`. */
  constructor(database: DatabaseSync, day: string) {
    this.#database = database;
    this.#day = day;
    database.exec(`
      CREATE TABLE IF NOT EXISTS identity_runs_${day} (
        run INTEGER PRIMARY KEY, level INTEGER NOT NULL, entries INTEGER NOT NULL
      );
      CREATE TABLE IF NOT EXISTS identity_words_${day} (id INTEGER PRIMARY KEY, entries BLOB NOT NULL);
    `);
    this.#insertPage = database.prepare(`INSERT INTO identity_words_${day} VALUES (?, ?)`);
    this.#readPages = database.prepare(
      `SELECT id, entries FROM identity_words_${day} WHERE id > ? AND id < ? ORDER BY id LIMIT 16`,
    );
  }

  /** Adds a run, and merges those that there are enough of. */
  add({ words, chunks }: SortedWords): void {
    const sink = new PageSink(this.#insertPage, this.#nextRun());
    for (let i = 0; i < words.length; i++) sink.push(words[i], chunks[i]);
    this.#list(sink, 0);
    for (let level = 0;; level++) {
      const runs = this.#runsOf(level);
      const entries = runs.reduce((sum, run) => sum + run.entries, 0);
      if (runs.length < fanOut || entries > maxRunEntries) return;
      this.#merge(runs, level + 1);
    }
  }

  #merge(runs: readonly Run[], level: number): void {
    const sink = new PageSink(this.#insertPage, this.#nextRun());
    let cursors = runs.map(({ run }) => new Cursor(this.#readPages, run)).filter((cursor) => !cursor.isAtEnd);
    while (cursors.length > 0) {
      let least = cursors[0];
      for (const cursor of cursors) if (cursor.word < least.word) least = cursor;
      sink.push(least.word, least.chunk);
      least.next();
      if (least.isAtEnd) cursors = cursors.filter((cursor) => cursor !== least);
    }
    this.#list(sink, level);
    for (const { run } of runs) {
      this.#database.exec(`
        DELETE FROM identity_runs_${this.#day} WHERE run = ${run};
        DELETE FROM identity_words_${this.#day} WHERE id BETWEEN ${run} << 32 AND (${run} << 32) + ${
        wordsBound - 1
      };
      `);
    }
  }

  #list(sink: PageSink, level: number): void {
    sink.finish();
    this.#database.prepare(`INSERT INTO identity_runs_${this.#day} VALUES (?, ?, ?)`)
      .run(sink.run, level, sink.entries);
  }

  #nextRun(): number {
    const last = this.#database.prepare(`SELECT max(run) AS run FROM identity_runs_${this.#day}`).get();
    return ((last as unknown as { run: number | null }).run ?? 0) + 1;
  }

  #runsOf(level: number): Run[] {
    return this.#database.prepare(`SELECT run, entries FROM identity_runs_${this.#day} WHERE level = ?`)
      .all(level) as unknown as Run[];
  }
}

/** Cuts a run into pages. */
class PageSink {
  readonly run: number;
  entries = 0;
  readonly #insert: StatementSync;
  #words = new Uint32Array(2 * pageEntries);
  #chunks = new Uint32Array(2 * pageEntries);
  #count = 0;

  constructor(insert: StatementSync, run: number) {
    this.#insert = insert;
    this.run = run;
  }

  push(word: number, chunk: number): void {
    if (this.#count >= pageEntries && this.#words[this.#count - 1] !== word) this.#write();
    if (this.#count === this.#words.length) {
      this.#words = doubled(this.#words);
      this.#chunks = doubled(this.#chunks);
    }
    this.#words[this.#count] = word;
    this.#chunks[this.#count++] = chunk;
  }

  finish(): void {
    if (this.#count > 0) this.#write();
  }

  #write(): void {
    const count = this.#count;
    const page = new Uint32Array(2 * count);
    page.set(this.#words.subarray(0, count));
    page.set(this.#chunks.subarray(0, count), count);
    this.#insert.run(this.run * wordsBound + page[0], new Uint8Array(page.buffer));
    this.entries += count;
    this.#count = 0;
  }
}

/** Walks through a run. */
class Cursor {
  word = 0;
  chunk = 0;
  isAtEnd = false;
  readonly #read: StatementSync;
  readonly #end: number;
  #after: number;
  #pages: Page[] = [];
  #nextPage = 0;
  #entries: SortedWords = { words: new Uint32Array(0), chunks: new Uint32Array(0) };
  #i = -1;

  constructor(read: StatementSync, run: number) {
    this.#read = read;
    this.#after = run * wordsBound - 1;
    this.#end = (run + 1) * wordsBound;
    this.next();
  }

  next(): void {
    if (++this.#i === this.#entries.words.length) this.#turn();
    this.word = this.#entries.words[this.#i];
    this.chunk = this.#entries.chunks[this.#i];
  }

  #turn(): void {
    if (this.#nextPage === this.#pages.length) {
      this.#pages = this.#read.all(this.#after, this.#end) as unknown as Page[];
      this.#nextPage = 0;
    }
    const page = this.#pages[this.#nextPage++];
    if (page === undefined) return void (this.isAtEnd = true);
    this.#after = page.id;
    this.#entries = entriesOf(page.entries);
    this.#i = 0;
  }
}

/** Copies where the page is not aligned. */
function entriesOf({ buffer, byteOffset, byteLength }: Uint8Array): SortedWords {
  const all = byteOffset % 4 === 0
    ? new Uint32Array(buffer, byteOffset, byteLength / 4)
    : new Uint32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  return { words: all.subarray(0, all.length / 2), chunks: all.subarray(all.length / 2) };
}

function doubled(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(2 * words.length);
  grown.set(words);
  return grown;
}
