/**
 * The kernel of plain_row.ts, in AssemblyScript: from the bytes of a row to the bytes of its file, for rows of the
 * common shape. What it writes is what `JSON.stringify(JSON.parse(value), undefined, 2)` gives, or the text itself.
 *
 * All functions take where to read and answer where they have read to, 0 for "not the common shape". Zeros lie behind
 * the row: none of them is part of a token, so that no function gets past them. Left to the other way are: numbers
 * that are not spelt as JavaScript spells them, escapes that are spelt in two ways (`\/`, `\u0041`), keys that occur
 * twice or look like an index, since those come in another order, and what is deep or wide.
 *
 * After a change: deno run --no-lock --allow-read --allow-write --allow-env src/kernel_build.ts
 */

/** Bytes of a row, and of what it becomes. */
export const mostInputBytes: i32 = 262144;
const mostOutputBytes: usize = 524288;
/** Brackets open at once within a value, and keys of one object. */
const maxDepth: usize = 32;
const maxKeys: usize = 32;
/** More than comes between two looks at the room left: a copy goes 16 bytes too far, and all brackets may be closed. */
const spareBytes: usize = 4096;

/** Of each key of the objects that are open: start, size and up to 8 bytes. */
const keys: usize = 1024;
const keyBytes: usize = 16;
export const input: usize = keys + maxDepth * maxKeys * keyBytes;
export const output: usize = input + mostInputBytes + 64;

/** Where the last row's name and directory lie, without their quotes; 0 for none. */
export let nameStart: usize = 0;
export let nameEnd: usize = 0;
export let directoryStart: usize = 0;
export let directoryEnd: usize = 0;

const quote: u32 = 0x22, backslash: u32 = 0x5c, comma: u32 = 0x2c, colon: u32 = 0x3a, minus: u32 = 0x2d;
const openBrace: u32 = 0x7b, closeBrace: u32 = 0x7d, openBracket: u32 = 0x5b, closeBracket: u32 = 0x5d;

/** Where the next byte is written, and up to where a token may begin. */
let out: usize = 0;
let outEnd: usize = 0;
/** Behind the row. */
let inEnd: usize = 0;
/** Behind the last key noted. */
let keysEnd: usize = 0;

/** Reads the row of `size` bytes at `input` and answers how many its file has at `output`; -1 for "not the common shape". */
export function readRow(size: usize): i32 {
  inEnd = input + size;
  v128.store(inEnd, i64x2.splat(0));
  v128.store(inEnd, i64x2.splat(0), 16);
  outEnd = output + mostOutputBytes - spareBytes;
  nameStart = 0;
  directoryStart = 0;
  keysEnd = keys;
  let contentEnd: usize = 0;
  let next = skipSpace(input);
  if (load<u8>(next) != openBrace) return -1;
  // Behind the content, what is written is of no use.
  out = output;
  do {
    const key = skipSpace(next + 1);
    if (load<u8>(key) != quote) return -1;
    const keyEnd = plainEnd(key + 1);
    if (load<u8>(keyEnd) != quote) return -1;
    next = skipSpace(keyEnd + 1);
    if (load<u8>(next) != colon) return -1;
    next = skipSpace(next + 1);
    if (isTraceData(key, keyEnd)) {
      if (contentEnd != 0 || load<u8>(next) == 0x6e) return -1;
      // Members that came before have written over nothing that counts.
      out = output;
      next = load<u8>(next) == quote ? writeText(next) : writeValue(next, 0);
      contentEnd = out;
    } else if (isFileName(key, keyEnd)) {
      if (nameStart != 0 || load<u8>(next) != quote) return -1;
      nameStart = next + 1;
      nameEnd = next = plainEnd(next + 1);
      if (load<u8>(next++) != quote || nameStart == nameEnd) return -1;
    } else if (isOutputDirectory(key, keyEnd)) {
      if (directoryStart != 0 || load<u8>(next) != quote) return -1;
      directoryStart = next + 1;
      directoryEnd = next = plainEnd(next + 1);
      if (load<u8>(next++) != quote) return -1;
    } else next = writeValue(next, 0);
    if (next == 0) return -1;
    next = skipSpace(next);
  } while (load<u8>(next) == comma);
  if (load<u8>(next) != closeBrace || next + 1 != inEnd || contentEnd == 0 || nameStart == 0) return -1;
  return <i32>(contentEnd - output);
}

@inline
function isTraceData(key: usize, end: usize): bool {
  return end - key == 10 && load<u64>(key, 1) == 0x7461446563617274 && load<u8>(key, 9) == 0x61;
}

@inline
function isFileName(key: usize, end: usize): bool {
  return end - key == 9 && load<u64>(key, 1) == 0x656d614e656c6966;
}

@inline
function isOutputDirectory(key: usize, end: usize): bool {
  return end - key == 16 && load<u64>(key, 1) == 0x694474757074756f && load<u64>(key, 9) == 0x2279726f74636572;
}

/** Any value, as an indented one at this depth. */
function writeValue(from: usize, depth: usize): usize {
  const first: u32 = load<u8>(from);
  // What is left of the row fits in behind this, if no line break comes in between: each has its own look.
  if (out + (inEnd - from) > outEnd) return 0;
  if (first == quote) return copyText(from);
  if (first == openBrace) return writeObject(from, depth);
  if (first == openBracket) return writeArray(from, depth);
  const word = load<u32>(from);
  if (word == 0x65757274 || word == 0x6c6c756e) return copyShort(from, 4); // true, null
  if (word == 0x736c6166 && load<u8>(from, 4) == 0x65) return copyShort(from, 5); // false
  return copyNumber(from);
}

function writeObject(from: usize, depth: usize): usize {
  if (depth == maxDepth) return 0;
  put(openBrace);
  let next = skipSpace(from + 1);
  if (load<u8>(next) == closeBrace) {
    put(closeBrace);
    return next + 1;
  }
  const firstKey = keysEnd;
  let seen: u64 = 0;
  while (true) {
    breakLine(depth + 1);
    if (load<u8>(next) != quote || out + (inEnd - next) > outEnd) return 0;
    const start = next + 1;
    next = copyText(next);
    if (next == 0 || isDigit(load<u8>(start))) return 0;
    const size = next - 1 - start;
    const head = headOf(start, size);
    // Two keys that are the same have the same bit: nearly always this is all that has to be looked at.
    const bit: u64 = 1 << ((head * 31 + <u64>load<u8>(start + (size >> 1)) * 7 + size) & 63);
    if ((seen & bit) != 0 && isAmong(start, size, firstKey)) return 0;
    seen |= bit;
    if (keysEnd - firstKey == maxKeys * keyBytes) return 0;
    store<u32>(keysEnd, <u32>start);
    store<u32>(keysEnd, <u32>size, 4);
    store<u64>(keysEnd, head, 8);
    keysEnd += keyBytes;
    next = skipSpace(next);
    if (load<u8>(next) != colon) return 0;
    store<u16>(out, 0x203a);
    out += 2;
    next = writeValue(skipSpace(next + 1), depth + 1);
    if (next == 0) return 0;
    next = skipSpace(next);
    const after: u32 = load<u8>(next);
    next++;
    if (after == comma) {
      put(comma);
      next = skipSpace(next);
    } else if (after == closeBrace) break;
    else return 0;
  }
  keysEnd = firstKey;
  breakLine(depth);
  put(closeBrace);
  return next;
}

function writeArray(from: usize, depth: usize): usize {
  if (depth == maxDepth) return 0;
  put(openBracket);
  let next = skipSpace(from + 1);
  if (load<u8>(next) == closeBracket) {
    put(closeBracket);
    return next + 1;
  }
  while (true) {
    breakLine(depth + 1);
    next = writeValue(next, depth + 1);
    if (next == 0) return 0;
    next = skipSpace(next);
    const after: u32 = load<u8>(next);
    next = skipSpace(next + 1);
    if (after == comma) put(comma);
    else if (after == closeBracket) break;
    else return 0;
  }
  breakLine(depth);
  put(closeBracket);
  return next;
}

/** The first bytes of a key, zeros behind it. */
@inline
function headOf(start: usize, size: usize): u64 {
  const head = load<u64>(start);
  return size < 8 ? head & ((<u64>1 << (size * 8)) - 1) : head;
}

/** Is a key of these bytes among those noted from `first` on? Long ones that begin alike are all that takes time. */
function isAmong(start: usize, size: usize, first: usize): bool {
  const head = headOf(start, size);
  for (let key = first; key < keysEnd; key += keyBytes) {
    if (load<u64>(key, 8) != head || load<u32>(key, 4) != <u32>size) continue;
    if (size <= 8 || memory.compare(start + 8, <usize>load<u32>(key) + 8, size - 8) == 0) return true;
  }
  return false;
}

@inline
function put(byte: u32): void {
  store<u8>(out++, <u8>byte);
}

/** A line break and the indent of this depth. */
@inline
function breakLine(depth: usize): void {
  store<u8>(out, 0x0a);
  const spaces = i8x16.splat(0x20);
  v128.store(out, spaces, 1);
  for (let i: usize = 16; i < depth * 2; i += 16) v128.store(out + i, spaces, 1);
  out += 1 + depth * 2;
}

@inline
function copyShort(from: usize, size: usize): usize {
  store<u64>(out, load<u64>(from));
  out += size;
  return from + size;
}

/** A text with its quotes. Escapes that JSON.stringify gives as well stay as they are. */
function copyText(from: usize): usize {
  put(quote);
  let next = from + 1;
  let to = out;
  while (true) {
    const bytes = v128.load(next);
    v128.store(to, bytes);
    const found = stops(bytes);
    if (found == 0) {
      next += 16;
      to += 16;
      continue;
    }
    next += ctz(found);
    to += ctz(found);
    const stop: u32 = load<u8>(next);
    if (stop != backslash) {
      store<u8>(to, quote);
      out = to + 1;
      return stop == quote ? next + 1 : 0;
    }
    const escaped: u32 = load<u8>(next, 1);
    if (meaning(escaped) == 0) return 0;
    store<u16>(to, <u16>(backslash | escaped << 8));
    next += 2;
    to += 2;
  }
}

/** A text as what it says, without quotes and escapes. */
function writeText(from: usize): usize {
  let next = from + 1;
  let to = out;
  while (true) {
    const bytes = v128.load(next);
    v128.store(to, bytes);
    const found = stops(bytes);
    if (found == 0) {
      next += 16;
      to += 16;
      continue;
    }
    next += ctz(found);
    to += ctz(found);
    const stop: u32 = load<u8>(next);
    if (stop != backslash) {
      out = to;
      return stop == quote ? next + 1 : 0;
    }
    const escaped: u32 = load<u8>(next, 1);
    const byte: u32 = escaped == 0x2f ? 0x2f : meaning(escaped);
    if (byte == 0) return 0;
    store<u8>(to, <u8>byte);
    next += 2;
    to++;
  }
}

/** What stands behind a backslash, where there is no other way to spell it in JSON.stringify; 0 for everything else. */
@inline
function meaning(escaped: u32): u32 {
  if (escaped == 0x6e) return 0x0a;
  if (escaped == quote || escaped == backslash) return escaped;
  if (escaped == 0x74) return 0x09;
  if (escaped == 0x72) return 0x0d;
  if (escaped == 0x62) return 0x08;
  return escaped == 0x66 ? 0x0c : 0;
}

/** Which bytes are quotes, backslashes, or none that JSON allows in a text? */
@inline
function stops(bytes: v128): u32 {
  return i8x16.bitmask(v128.or(
    v128.or(i8x16.eq(bytes, i8x16.splat(0x22)), i8x16.eq(bytes, i8x16.splat(0x5c))),
    i8x16.lt_u(bytes, i8x16.splat(0x20)),
  ));
}

/** The first byte from here on that is a quote, a backslash, or nothing that JSON allows in a text. */
function plainEnd(from: usize): usize {
  let next = from;
  while (true) {
    const found = stops(v128.load(next));
    if (found != 0) return next + ctz(found);
    next += 16;
  }
}

/**
 * A number that JavaScript spells as it stands here: no exponent, no zero at the end of a fraction, no `-0`, and at most
 * 15 digits, which every double keeps. Below 0.000001 it would be spelt with an exponent.
 */
function copyNumber(from: usize): usize {
  const isNegative = load<u8>(from) == minus;
  const start = from + <usize>isNegative;
  let next = start;
  while (isDigit(load<u8>(next))) next++;
  const isZero = load<u8>(start) == 0x30;
  let mostBytes: usize = 15;
  if (next == start || (isZero && next - start > 1)) return 0;
  if (load<u8>(next) == 0x2e) {
    const fraction = ++next;
    mostBytes = 16;
    while (load<u8>(next) == 0x30) next++;
    if (isZero && next - fraction > 5) return 0;
    while (isDigit(load<u8>(next))) next++;
    if (next == fraction || load<u8>(next - 1) == 0x30) return 0;
  } else if (isZero && isNegative) return 0;
  if (next - start > mostBytes || (load<u8>(next) | 0x20) == 0x65) return 0;
  v128.store(out, v128.load(from));
  store<u32>(out, load<u32>(from, 16), 16);
  out += next - from;
  return next;
}

@inline
function isDigit(byte: u32): bool {
  return byte - 0x30 < 10;
}

@inline
function skipSpace(from: usize): usize {
  let next = from;
  while (isSpace(load<u8>(next))) next++;
  return next;
}

@inline
function isSpace(byte: u32): bool {
  return byte <= 0x20 && (byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09);
}
