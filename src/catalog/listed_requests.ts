/**
 * One row a request in the catalog: what lists of requests show and are filtered by, merged over all of its lines.
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { missingIndexes } from "../base/missing_indexes.ts";

/** The columns of a request's metadata that lists show. */
export const listedColumns = ["method", "url", "status", "dur_ms", "key", "action_id"] as const;

/** One of {@link listedColumns}. */
export type ListedColumn = (typeof listedColumns)[number];

/** A value with what decides between two of them: the greatest (t, index) wins, of equal ones the later arrival. */
export type ListedValue = readonly [value: unknown, t: number, index: number];

/** Column to value; a column of which nothing came is not there. */
export type ListedValues = Partial<Record<ListedColumn, ListedValue>>;

/** Where a request stands in every list: by the time of its first entry, then by its names. */
export interface ListKey {
  /** Time of its first entry, ms since the epoch. */
  readonly t: number;
  readonly sid: string;
  readonly rid: string;
}

/** A request as parts have it. */
export interface ListedRequest {
  readonly sid: string;
  readonly rid: string;
  readonly firstT: number;
  readonly lastT: number;
  /** Declared number of batches, or -1. */
  readonly total: number;
  readonly replaced: number;
  readonly batches: number;
  readonly missingCount: number;
  readonly complete: boolean;
  readonly values: ListedValues;
}

/** What a line adds to its request. */
export interface ListedLine {
  readonly firstT: number;
  readonly lastT: number;
  readonly total: number;
  readonly replaced: number;
  /** Batch index and hash, in turn. */
  readonly batches: Float64Array;
  readonly values: ListedValues;
}

/** Names a request. */
interface Name {
  readonly app: string;
  readonly sid: string;
  readonly rid: string;
}

/** Keeps the rows, in the transactions of the one writer. */
export class RequestLister {
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #drop: StatementSync;
  readonly #lines: StatementSync;

  constructor(database: DatabaseSync) {
    this.#find = database.prepare("SELECT * FROM requests WHERE app = ? AND rid = ? AND sid = ?");
    this.#put = database.prepare(`
      INSERT OR REPLACE INTO requests (app, sid, rid, first_t, last_t, total, replaced, batches, missing,
        complete, columns)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#drop = database.prepare("DELETE FROM requests WHERE app = ? AND rid = ? AND sid = ?");
    this.#lines = database.prepare(`
      SELECT first_t, last_t, total, replaced, batches FROM request_lines
      WHERE app = ? AND sid = ? AND rid = ? ORDER BY id`);
  }

  /** Takes up a line that was just listed. */
  add(name: Name, line: ListedLine): void {
    const row = this.#find.get(name.app, name.rid, name.sid) as unknown as ListedRow | undefined;
    if (row === undefined) return this.#write(name, [line], line.values);
    this.#write(name, this.#linesOf(name), mergeValues(listedOf(row).values, line.values));
  }

  /** Some lines of the request are gone: so is the request, when none is left. */
  recount(name: Name): void {
    const lines = this.#linesOf(name);
    if (lines.length === 0) return void this.#drop.run(name.app, name.rid, name.sid);
    const row = this.#find.get(name.app, name.rid, name.sid) as unknown as ListedRow | undefined;
    this.#write(name, lines, row === undefined ? {} : listedOf(row).values);
  }

  #linesOf({ app, sid, rid }: Name): Omit<ListedLine, "values">[] {
    const rows = this.#lines.all(app, sid, rid) as unknown as LineRow[];
    return rows.map(({ first_t, last_t, total, replaced, batches }) => ({
      ...{ firstT: first_t, lastT: last_t, total, replaced },
      batches: new Float64Array(batches.slice().buffer),
    }));
  }

  #write(name: Name, lines: readonly Omit<ListedLine, "values">[], values: ListedValues): void {
    const indexes = unionOf(lines.map(({ batches }) => batches));
    const total = Math.max(...lines.map((line) => line.total));
    const { count } = missingIndexes(indexes, total);
    this.#put.run(
      ...[name.app, name.sid, name.rid],
      ...[Math.min(...lines.map(({ firstT }) => firstT)), Math.max(...lines.map(({ lastT }) => lastT))],
      ...[total, lines.reduce((sum, { replaced }) => sum + replaced, 0), indexes.length, count],
      total >= 0 && count === 0 ? 1 : 0,
      JSON.stringify(values),
    );
  }
}

/** How a page of {@link RequestPages} is cut. */
export interface PageCut {
  readonly app: string;
  /** @default every session */
  readonly sid?: string;
  readonly order: "asc" | "desc";
  /** The row to begin behind. @default the first one */
  readonly after?: ListKey;
  /** Time of the first entry: not before this, ms since the epoch. */
  readonly from: number;
  /** And before this. */
  readonly to: number;
  readonly limit: number;
}

/** Reads the rows. */
export class RequestPages {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Some rows in the order of a list. */
  page({ app, sid, order, after, from, to, limit }: PageCut): ListedRequest[] {
    const [than, direction] = order === "asc" ? [">", "ASC"] : ["<", "DESC"];
    const statement = this.#prepare(`
      SELECT * FROM requests WHERE app = ?1 AND first_t >= ?2 AND first_t < ?3
        ${sid === undefined ? "" : "AND sid = ?4"}
        ${after === undefined ? "" : `AND (first_t, sid, rid) ${than} (?5, ?6, ?7)`}
      ORDER BY first_t ${direction}, sid ${direction}, rid ${direction} LIMIT ?8`);
    const named: Record<string, string | number> = { "?1": app, "?2": from, "?3": to, "?8": limit };
    if (sid !== undefined) named["?4"] = sid;
    if (after !== undefined) Object.assign(named, { "?5": after.t, "?6": after.sid, "?7": after.rid });
    return (statement.all(named) as unknown as ListedRow[]).map(listedOf);
  }

  /** The row of one request; undefined when parts hold nothing of it. */
  find({ app, sid, rid }: Name): ListedRequest | undefined {
    const row = this.#prepare("SELECT * FROM requests WHERE app = ? AND rid = ? AND sid = ?").get(
      app,
      rid,
      sid,
    );
    return row && listedOf(row as unknown as ListedRow);
  }

  /** The rows of one request id, in whichever session, at most so many. */
  named(app: string, rid: string, limit: number): ListedRequest[] {
    const rows = this.#prepare("SELECT * FROM requests WHERE app = ? AND rid = ? ORDER BY sid LIMIT ?")
      .all(app, rid, limit);
    return (rows as unknown as ListedRow[]).map(listedOf);
  }

  /** The request ids of a session with the time of their first entry, in that order. */
  ofSession(app: string, sid: string): { rid: string; firstT: number }[] {
    const rows = this.#prepare(
      "SELECT rid, first_t AS firstT FROM requests WHERE app = ? AND sid = ? ORDER BY first_t, rid",
    ).all(app, sid);
    return rows as unknown as { rid: string; firstT: number }[];
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#database.prepare(sql));
    return statement;
  }
}

/** Is `a` before `b` in a list that goes up? */
export function compareKeys(a: ListKey, b: ListKey): number {
  return a.t - b.t || compareTexts(a.sid, b.sid) || compareTexts(a.rid, b.rid);
}

/** By code point, as SQLite compares: UTF-16 units would put some characters elsewhere. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [encoder.encode(a), encoder.encode(b)];
  for (let i = 0; i < x.length && i < y.length; i++) if (x[i] !== y[i]) return x[i] - y[i];
  return x.length - y.length;
}

const encoder = new TextEncoder();

/** The values of both; where both have one, the one with the greater (t, index), of equal ones the later. */
export function mergeValues(earlier: ListedValues, later: ListedValues): ListedValues {
  const merged: ListedValues = { ...earlier };
  for (const column of listedColumns) {
    const [known, value] = [earlier[column], later[column]];
    if (value === undefined) continue;
    if (known && (value[1] < known[1] || (value[1] === known[1] && value[2] < known[2]))) continue;
    merged[column] = value;
  }
  return merged;
}

/** All indexes of several lists of index and hash, ascending, none twice. */
export function unionOf(lists: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(lists.reduce((sum, list) => sum + list.length / 2, 0));
  let count = 0;
  for (const list of lists) for (let i = 0; i < list.length; i += 2) all[count++] = list[i];
  all.sort();
  return all.filter((index, i) => i === 0 || index !== all[i - 1]);
}

interface LineRow {
  first_t: number;
  last_t: number;
  total: number;
  replaced: number;
  batches: Uint8Array;
}

interface ListedRow extends Omit<LineRow, "batches"> {
  sid: string;
  rid: string;
  batches: number;
  missing: number;
  complete: number;
  columns: string;
}

function listedOf(row: ListedRow): ListedRequest {
  return {
    ...{ sid: row.sid, rid: row.rid, firstT: row.first_t, lastT: row.last_t },
    ...{ total: row.total, replaced: row.replaced, batches: row.batches, missingCount: row.missing },
    complete: row.complete === 1,
    values: JSON.parse(row.columns),
  };
}
