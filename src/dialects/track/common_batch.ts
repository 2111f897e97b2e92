/**
 * Common events in bodies, stretches and windows. Small batches of nothing else, `{"events":[..]}`, are read in one go: no
 * windows, no envelope.
 * @module
 */

import { isFaultPlanned } from "../../base/faults.ts";
import type { Unit } from "../../base/record.ts";
import type { RowStretch } from "../../parse/row_stretch.ts";
import type { RowWindow } from "../../parse/window.ts";
import type { EventWriter, LyingRows } from "./event_writer.ts";

/** Brackets open at once in a body whose rows are of the common shape, at the most. */
export const maxCommonDepth = 37;

const opening = ["{", '"events"', ":", "["].map((text) => new TextEncoder().encode(text));
const closeBrace = 0x7d;

/** A body that is one row. */
export function wholeRow(body: Uint8Array): LyingRows {
  return { bytes: body, firstIndex: 0, start: () => 0, end: () => body.length };
}

/**
 * Adds the records of a window's rows from row `from` on to the unit, up to the first that must be looked at.
 * @returns how many rows were taken
 */
export function writeCommonRows(
  window: RowWindow,
  from: number,
  { events, unit }: { events: EventWriter; unit: Unit },
): number {
  if (isFaultPlanned("track.row")) return 0;
  let to = from;
  while (to < window.count && !window.isFlawed(to)) to++;
  const taken = events.writeRows(window, { from, to }, unit);
  for (let i = from; i < from + taken; i++) window.trust(i);
  return taken;
}

/**
 * Adds the records of a stretch's rows to the unit, up to the first that must be looked at.
 * @returns how many rows were taken
 */
export function writeCommonStretch(
  stretch: RowStretch,
  { events, unit }: { events: EventWriter; unit: Unit },
): number {
  if (isFaultPlanned("track.row")) return 0;
  const taken = events.writeList(stretch, unit);
  if (taken.rows > 0) stretch.take(taken.rows, taken);
  return taken.rows;
}

/**
 * Adds the records of a whole batch to the unit.
 * @returns how many; 0 when the batch is not of this shape, and nothing is in the unit then
 */
export function writeCommonBatch(
  body: Uint8Array,
  unit: Unit,
  { events, maxRows }: { events: EventWriter; maxRows: number },
): number {
  let at = 0;
  for (const piece of opening) {
    at = skipPiece(body, skipBlanks(body, at), piece);
    if (at < 0) return 0;
  }
  const list = { bytes: body, start: at, end: body.length, firstIndex: 0, maxRows };
  const { rows, stop, isLast } = events.writeList(list, unit);
  if (isLast && isEnd(body, stop + 1)) return rows;
  unit.rollback(0);
  return 0;
}

function isEnd(body: Uint8Array, start: number): boolean {
  const at = skipBlanks(body, start);
  return body[at] === closeBrace && skipBlanks(body, at + 1) === body.length;
}

function skipPiece(body: Uint8Array, at: number, piece: Uint8Array): number {
  for (let i = 0; i < piece.length; i++) if (body[at + i] !== piece[i]) return -1;
  return at + piece.length;
}

function skipBlanks(body: Uint8Array, start: number): number {
  let at = start;
  while (body[at] === 0x20 || body[at] === 0x09 || body[at] === 0x0a || body[at] === 0x0d) at++;
  return at;
}
