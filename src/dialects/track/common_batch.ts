/**
 * Small batches of nothing but common events, `{"events":[..]}`, read in one go: no windows, no envelope.
 * @module
 */

import type { Unit } from "../../base/record.ts";
import type { EventWriter } from "./event_writer.ts";

const opening = ["{", '"events"', ":", "["].map((text) => new TextEncoder().encode(text));
const comma = 0x2c, closeBracket = 0x5d, closeBrace = 0x7d;

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
  for (let row = 0; row < maxRows; row++) {
    at = events.writeNext({ bytes: body, start: skipBlanks(body, at), end: body.length, row }, unit);
    if (at < 0) break;
    at = skipBlanks(body, at);
    if (body[at] === comma) at++;
    else if (body[at] === closeBracket && isEnd(body, at + 1)) return row + 1;
    else break;
  }
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
