/**
 * The identities that were flushed, a pair of tables for each day on which they were first stored, so that
 * forgetting a day is dropping two tables:
 *
 * - `identity_chunks_20261120` holds them in chunks of up to {@link chunkSize}, as they came: a flat JSON array of key,
 *   device id and session id in turn.
 * - `identity_hashes_20261120` tells in which chunks a CRC-32 occurs.
 *
 * Keys come in no order, and an index would rewrite a page for nearly every one of them. So a transaction collects
 * the hashes and inserts them sorted at its end, and keys are in no index at all: a fifth of the cost (measured:
 * 1.4 us an identity against 6, with a million of them there).
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import type { IdentityMemo } from "../base/record.ts";

/** Identities in a chunk: a look-up parses one chunk. */
const chunkSize = 64;
/** Values of one identity in a chunk: key, device id, session id. */
const stride = 3;
/** Hashes inserted by one statement. */
const hashesPerInsert = 100;
/** Hashes that wait at most for the end of the transaction; only a rebuild has so many. */
const maxWaiting = 1_000_000;
/** A hash of 32 bits and the number of a chunk within the transaction share the 53 bits of a number. */
const chunksBound = 2 ** 21;
/** Chunks read at once when all of them are walked. */
const chunksPerPage = 16;

/** The days that have identities, youngest first. */
export function identityDays(database: DatabaseSync): string[] {
  const names = database.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'identity_chunks_[0-9]*' ORDER BY name DESC",
  ).all() as unknown as { name: string }[];
  return names.map(({ name }) => name.slice(-8).replace(/^(....)(..)(..)$/, "$1-$2-$3"));
}

/** Forgets the identities first seen on a day (`YYYY-MM-DD`). */
export function dropIdentities(database: DatabaseSync, day: string): void {
  database.exec(`DROP TABLE ${chunkTable(day)}; DROP TABLE ${hashTable(day)}`);
}

function chunkTable(day: string): string {
  return `identity_chunks_${day.replaceAll("-", "")}`;
}

function hashTable(day: string): string {
  return `identity_hashes_${day.replaceAll("-", "")}`;
}

/** Adds identities within a transaction; they are all there once {@link IdentityWriter.finish} was called. */
export class IdentityWriter {
  readonly #database: DatabaseSync;
  #day = "";
  /** Prepared once in a transaction, because the day's tables may be made in it. */
  #insertChunk: StatementSync | undefined;
  #insertHashes: StatementSync | undefined;
  /** Values of the identities that are in no chunk yet. */
  #values: string[] = [];
  /** Hash times {@link chunksBound}, plus the number of the chunk. */
  #hashes: number[] = [];
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

  /** Adds one. */
  add(key: string, memo: IdentityMemo): void {
    this.#values.push(key, memo.deviceId, memo.sessionId);
    this.#hashes.push(crc32(key) * chunksBound + this.#chunks);
    if (this.#values.length === chunkSize * stride) this.#writeChunk();
    if (this.#hashes.length >= maxWaiting) this.finish();
  }

  /** Writes what waits; to be called before the transaction is committed. */
  finish(): void {
    if (this.#values.length > 0) this.#writeChunk();
    const hashes = Float64Array.from(this.#hashes).sort();
    this.#hashes = [];
    for (let from = 0; from < hashes.length; from += hashesPerInsert) {
      this.#writeHashes(hashes.subarray(from, from + hashesPerInsert));
    }
    this.#firstChunk += this.#chunks;
    this.#chunks = 0;
  }

  /** The transaction is over. */
  forget(): void {
    this.#values.length = this.#hashes.length = this.#chunks = 0;
    this.#insertChunk = this.#insertHashes = undefined;
  }

  #writeChunk(): void {
    if (this.#insertChunk === undefined) this.#prepare();
    this.#insertChunk!.run(this.#firstChunk + this.#chunks++, JSON.stringify(this.#values));
    this.#values.length = 0;
  }

  #prepare(): void {
    const chunks = chunkTable(this.#day);
    this.#database.exec(`
      CREATE TABLE IF NOT EXISTS ${chunks} (id INTEGER PRIMARY KEY, identities TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS ${hashTable(this.#day)} (
        hash INTEGER NOT NULL, chunk INTEGER NOT NULL, PRIMARY KEY (hash, chunk)
      ) WITHOUT ROWID;
    `);
    const last = this.#database.prepare(`SELECT max(id) AS id FROM ${chunks}`).get();
    this.#firstChunk = ((last as unknown as { id: number | null }).id ?? 0) + 1;
    this.#insertChunk = this.#database.prepare(`INSERT INTO ${chunks} VALUES (?, ?)`);
    this.#insertHashes = this.#database.prepare(this.#insertSql(hashesPerInsert));
  }

  #writeHashes(hashes: Float64Array): void {
    const values: number[] = [];
    for (const packed of hashes) {
      const chunk = packed % chunksBound;
      values.push((packed - chunk) / chunksBound, this.#firstChunk + chunk);
    }
    const statement = hashes.length === hashesPerInsert
      ? this.#insertHashes!
      : this.#database.prepare(this.#insertSql(hashes.length));
    statement.run(...values);
  }

  #insertSql(count: number): string {
    // Two keys of one chunk may have one hash.
    return `INSERT OR IGNORE INTO ${hashTable(this.#day)} VALUES ${Array(count).fill("(?, ?)").join(", ")}`;
  }
}

/** Looks identities up. Which tables there are is looked at when it is made. */
export class IdentityReader {
  readonly #database: DatabaseSync;
  /** Chunks in which a hash occurs: those of the youngest day first. */
  readonly #find: StatementSync | undefined;
  #cached: { readonly text: string; readonly values: readonly string[] } | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
    const days = identityDays(database);
    this.#find = days.length === 0 ? undefined : database.prepare(
      days.map((day) =>
        `SELECT identities FROM ${hashTable(day)} JOIN ${chunkTable(day)} ON id = chunk WHERE hash = ?1`
      ).join(" UNION ALL "),
    );
  }

  /** What the first row with this identity was answered; undefined when none was flushed. */
  find(key: string): IdentityMemo | undefined {
    const rows = (this.#find?.all(crc32(key)) ?? []) as unknown as { identities: string }[];
    for (const { identities } of rows) {
      const values = this.#parsed(identities);
      for (let i = 0; i < values.length; i += stride) {
        if (values[i] === key) return { deviceId: values[i + 1], sessionId: values[i + 2] };
      }
    }
    return undefined;
  }

  /** Every key, youngest day first; read page by page. */
  *keys(): Generator<string, void, undefined> {
    for (const day of identityDays(this.#database)) {
      for (let after = 0;;) {
        const page = this.#page(day, after);
        for (const { identities } of page) {
          const values: string[] = JSON.parse(identities);
          for (let i = 0; i < values.length; i += stride) yield values[i];
        }
        if (page.length < chunksPerPage) break;
        after = page[page.length - 1].id;
      }
    }
  }

  #page(day: string, after: number): { id: number; identities: string }[] {
    // The day may have been dropped since the page before.
    if (!identityDays(this.#database).includes(day)) return [];
    const rows = this.#database.prepare(
      `SELECT id, identities FROM ${chunkTable(day)} WHERE id > ? ORDER BY id LIMIT ?`,
    ).all(after, chunksPerPage);
    return rows as unknown as { id: number; identities: string }[];
  }

  /** A resent batch finds all of its rows in few chunks, one after the other. */
  #parsed(text: string): readonly string[] {
    if (this.#cached?.text !== text) this.#cached = { text, values: JSON.parse(text) };
    return this.#cached.values;
  }
}
