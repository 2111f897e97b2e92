/**
 * What moves a session on, read from the lines of a unit's events: asked of every event, so at a fraction of what
 * parsing costs.
 * @module
 */

import { Buffer } from "node:buffer";
import type { Unit } from "../base/record.ts";
import type { Columns } from "./session_fold.ts";
import { readMovingColumns } from "./session_rows.ts";
import { lineOf } from "./unit_lines.ts";

const quote = 0x22, comma = 0x2c, backslash = 0x5c;
const letterN = 0x6e;
/** First letters of names, as a number. */
const lettersPat = 0x706174, lettersHas = 0x686173, lettersQue = 0x717565, lettersOri = 0x6f7269;
const lettersRef = 0x726566, lettersPro = 0x70726f;
/** Of a column that is passed over, the last one. */
const hashColumn = 7;
/** Start and end of each column's text behind the comma that they are read from; the start is 0 where there is none. */
const spans = new Int32Array(16);

// The head of an event's line: names of columns are known, and the lengths of its time and its id.
const projectAt = '{"kind":"event","project_id":"'.length;
const timeBytes = '","created_at":"'.length + "2026-11-20T18:00:00.000Z".length;
const idBytes = '","id":"'.length + "00000000-0000-7000-8000-000000000000".length;
/** Columns whose texts together are longer are read one by one: what is kept of one would keep all of them. */
const mostRegionBytes = 512;

/**
 * Reads events of a unit: their columns as {@link readMovingColumns} gives them, by a record's number. The columns of
 * one are valid until the next one is read.
 */
export function eventGlance(unit: Unit): (record: number) => Columns {
  const view = unit.writer.view();
  const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  let last = -1;
  let columns: Columns = {};
  return (record) => {
    if (record !== last) {
      columns = glanceAt(bytes, unit.starts[record]) ?? readMovingColumns(lineOf(unit, record));
      last = record;
    }
    return columns;
  };
}

/**
 * The columns of the event whose line begins at `start`, where it is laid out as all are: head, names, profile, page,
 * referrer, and then what moves nothing. Undefined where it is not, or where a text must be decoded.
 */
function glanceAt(bytes: Buffer, start: number): Columns | undefined {
  const timeEnd = endOfText(bytes, start + projectAt) + timeBytes;
  let at = timeEnd + idBytes;
  if (bytes[timeEnd] !== quote || bytes[at] !== quote) return undefined;
  // Up to the name, texts are passed over.
  let name = 0;
  do {
    name = at + 3;
    at = endOfText(bytes, endOfText(bytes, name) + 3);
  } while (bytes[name] !== letterN && at < bytes.length);
  return readRegion(bytes, at + 1);
}

/** Columns from a comma on, up to one that is none of those that are asked for. */
function readRegion(bytes: Buffer, start: number): Columns | undefined {
  spans.fill(0);
  let at = start;
  while (bytes[at] === comma) {
    const nameEnd = endOfText(bytes, at + 2);
    const column = columnOf(bytes, at + 2, nameEnd);
    if (column < 0 || bytes[nameEnd + 2] !== quote) break;
    const textStart = at = nameEnd + 3;
    for (let byte = bytes[at]; byte !== quote; byte = bytes[++at]) {
      if (byte >= 0x80 || byte === backslash || at - start > mostRegionBytes) return undefined;
    }
    spans[2 * column] = textStart - start;
    spans[2 * column + 1] = at++ - start;
  }
  // One text for all of them: making each by itself costs most.
  const region = bytes.toString("latin1", start, at);
  return {
    profile_id: textOf(region, 0),
    path: textOf(region, 1),
    origin: textOf(region, 2),
    query: textOf(region, 3),
    referrer: textOf(region, 4),
    referrer_name: textOf(region, 5),
    referrer_type: textOf(region, 6),
  };
}

function textOf(region: string, column: number): string | undefined {
  const start = spans[2 * column];
  return start === 0 ? undefined : region.slice(start, spans[2 * column + 1]);
}

/**
 * The number of a column by its name, of those between an event's name and what moves nothing; -1 for others. Length
 * and first letters tell them apart from all columns that an event may have.
 */
function columnOf(bytes: Buffer, start: number, end: number): number {
  const letters = bytes[start] << 16 | bytes[start + 1] << 8 | bytes[start + 2];
  switch (end - start) {
    case 4:
      return letters === lettersPat ? 1 : letters === lettersHas ? hashColumn : -1;
    case 5:
      return letters === lettersQue ? 3 : -1;
    case 6:
      return letters === lettersOri ? 2 : -1;
    case 8:
      return letters === lettersRef ? 4 : -1;
    case 10:
      return letters === lettersPro ? 0 : -1;
    case 13:
      return letters === lettersRef ? (bytes[start + 9] === letterN ? 5 : 6) : -1;
    default:
      return -1;
  }
}

/** Where the quote is that ends a text, or where the bytes end. */
function endOfText(bytes: Buffer, start: number): number {
  let at = start;
  while (bytes[at] !== quote && at < bytes.length) at += bytes[at] === backslash ? 2 : 1;
  return at;
}
