/**
 * The kernel of row_shapes.ts, in AssemblyScript: takes the keys and brackets out of rows whose shape is known.
 *
 * A shape is the number of its values, and the bytes before, between and behind them: pieces, each with its length in
 * front and filled up to a multiple of 16. What lies between two pieces is one value: a string, a list or object with
 * all that it holds, or else everything up to a comma or closing bracket.
 *
 * After a change: deno run --no-lock --allow-read --allow-write --allow-env src/kernel_build.ts
 */

/** Start and end of each row, counted from `input`. */
export const rowPlaces: usize = 1024;
export const mostRows: i32 = 256;
/** By row, the number of its shape, or -1. */
export const rowShapes: usize = 4096;
/** One more than `mostShapes`: the last place is for a shape that is being learnt. */
export const shapes: usize = 8192;
export const shapeBytes: usize = 4096;
export const mostShapes: i32 = 16;
/** Where the rows lie. */
export const input: usize = 81920;
export const mostBytes: i32 = 65536;
/** Where the list is written to, which is no longer than the rows. The byte before it is its bracket. */
export const output: usize = 163840;

const quote: u8 = 0x22;
const backslash: u8 = 0x5c;
const comma: u8 = 0x2c;
const openBracket: u8 = 0x5b;
const closeBracket: u8 = 0x5d;
const openBrace: u8 = 0x7b;
const closeBrace: u8 = 0x7d;

/** Where the kernel stands in a row. */
let place: usize = 0;
/** What is tried first. */
let lastShape: i32 = 0;

/**
 * Writes the list of the rows' values: of a row whose shape is among the first `shapeCount`, one after the other, and
 * any other row as it is. Returns where it ends.
 */
export function strip(rowCount: i32, shapeCount: i32): usize {
  let out = output;
  store<u8>(out - 1, openBracket);
  for (let row = 0; row < rowCount; row++) {
    const at = rowPlaces + (<usize>row << 3);
    const start = input + load<u32>(at);
    const end = input + load<u32>(at, 4);
    let written: usize = 0;
    let shape = lastShape;
    if (shape < shapeCount) written = stripRow(shape, start, end, out);
    if (written == 0) {
      for (shape = 0; shape < shapeCount; shape++) {
        if (shape != lastShape) written = stripRow(shape, start, end, out);
        if (written != 0) break;
      }
      if (written != 0) lastShape = shape;
      else {
        shape = -1;
        memory.copy(out, start, end - start);
        written = out + (end - start);
      }
    }
    store<i32>(rowShapes + (<usize>row << 2), shape);
    store<u8>(written, comma);
    out = written + 1;
  }
  store<u8>(out - 1, closeBracket);
  return out;
}

/** Is row `row` of this shape? What lies in the output is lost. */
export function fits(shape: i32, row: i32): bool {
  const at = rowPlaces + (<usize>row << 3);
  return stripRow(shape, input + load<u32>(at), input + load<u32>(at, 4), output) != 0;
}

/** Writes a row's values. Returns where they end, or 0 when the row is of another shape. */
function stripRow(shape: i32, start: usize, end: usize, to: usize): usize {
  let piece = shapes + <usize>shape * shapeBytes;
  let left = load<i32>(piece);
  let out = to;
  place = start;
  piece = passPiece(piece + 4);
  while (piece != 0) {
    // The last comma comes with the next row.
    if (left == 0) return place == end ? out - 1 : 0;
    left--;
    if (place >= end) return 0;
    const byte = load<u8>(place);
    if (byte == quote) out = copyString(out, end);
    else if (byte == openBracket || byte == openBrace) out = copyNested(out, end);
    else out = copyToken(out, end);
    if (out == 0) return 0;
    store<u8>(out++, comma);
    piece = passPiece(piece);
  }
  return 0;
}

/** Passes what must be the same as this piece. Returns where the next piece lies, or 0. */
@inline
function passPiece(piece: usize): usize {
  const length = load<i32>(piece);
  let at: i32 = 0;
  for (; at < length; at += 16) {
    const same = i8x16.bitmask(i8x16.eq(v128.load(place + at), v128.load(piece + 4 + at)));
    const wanted = length - at < 16 ? (1 << (length - at)) - 1 : 0xffff;
    if ((same & wanted) != wanted) return 0;
  }
  place += length;
  return piece + 4 + at;
}

/** Copies up to the quote that closes the string. Returns where the copy ends, or 0. */
@inline
function copyString(to: usize, end: usize): usize {
  let out = to;
  let at = place;
  store<u8>(out++, quote);
  at++;
  while (at < end) {
    const bytes = v128.load(at);
    v128.store(out, bytes);
    const found = i8x16.bitmask(
      v128.or(i8x16.eq(bytes, i8x16.splat(quote)), i8x16.eq(bytes, i8x16.splat(backslash))),
    );
    if (found == 0) {
      at += 16;
      out += 16;
      continue;
    }
    const passed = <usize>ctz(found) + 1;
    at += passed;
    out += passed;
    if (load<u8>(at - 1) == quote) {
      place = at;
      return at <= end ? out : 0;
    }
    store<u8>(out++, load<u8>(at++));
  }
  return 0;
}

/** Copies a list or an object. Returns where the copy ends, or 0. */
function copyNested(to: usize, end: usize): usize {
  let out = to;
  let depth = 0;
  while (place < end) {
    const byte = load<u8>(place);
    if (byte == quote) {
      out = copyString(out, end);
      if (out == 0) return 0;
      continue;
    }
    store<u8>(out++, byte);
    place++;
    if (byte == openBracket || byte == openBrace) depth++;
    else if ((byte == closeBracket || byte == closeBrace) && --depth == 0) return out;
  }
  return 0;
}

/** Copies a number or a word. Returns where the copy ends, or 0. */
@inline
function copyToken(to: usize, end: usize): usize {
  let out = to;
  for (let at = place; at < end; at += 16) {
    const bytes = v128.load(at);
    v128.store(out, bytes);
    const found = i8x16.bitmask(v128.or(
      i8x16.eq(bytes, i8x16.splat(comma)),
      // With this bit set, "]" is "}".
      i8x16.eq(v128.or(bytes, i8x16.splat(0x20)), i8x16.splat(closeBrace)),
    ));
    if (found != 0) {
      const passed = <usize>ctz(found);
      place = at + passed;
      return place < end ? out + passed : 0;
    }
    out += 16;
  }
  return 0;
}
