/**
 * The common shape of an event: checks that a row is JSON and notes where the members lie that a record is made from.
 *
 * All functions take where to read and answer where they have read to, 0 for "not the common shape". Zeros lie behind
 * the stretch: none of them is part of a token, so that no function gets past them. The caller compares where the row
 * ended with where it should: a row whose last byte is its own closing brace was read by nothing behind it.
 */

import * as at from "./layout";

const quote: u32 = 0x22, backslash: u32 = 0x5c, comma: u32 = 0x2c, colon: u32 = 0x3a;
const openBrace: u32 = 0x7b, closeBrace: u32 = 0x7d, openBracket: u32 = 0x5b, closeBracket: u32 = 0x5d;

/** Brackets open at once in a value. */
const maxDepth: i32 = 32;

/** Codes of keys, as event_kernel.ts lays them in. From `rareOutsideKey` on the row is left to the schema. */
const typeKey: i32 = 1, payloadKey: i32 = 2, insertIdKey: i32 = 3, nameKey: i32 = 4, propertiesKey: i32 = 5;
const profileIdKey: i32 = 6, timestampKey: i32 = 7, deviceIdKey: i32 = 8, pathKey: i32 = 9;
const referrerKey: i32 = 10, propertyInsertIdKey: i32 = 11;
/** Means something of a row and of a payload, and nothing among properties. */
const rareOutsideKey: i32 = 12;
const rareKey: i32 = 13;
/** Such that no two of the keys have one hash. */
const keyFactor: u64 = 0x1ba1621582283d15;

/** Of the key read last; 0 for one that means nothing. */
let key: i32 = 0;
/** Where the key is guessed that comes next. */
let guess: usize = 0;

/** Reads `{"type":"track","payload":{"name":..,"properties":{..}, ..}}` and answers where it ends. */
export function readRow(from: usize): usize {
  const none = i64x2.splat(0);
  v128.store(at.spans, none);
  v128.store(at.spans, none, 16);
  v128.store(at.spans, none, 32);
  v128.store(at.spans, none, 48);
  guess = at.guesses;
  let next = skipSpace(from);
  if (load<u8>(next) != openBrace) return 0;
  let isTyped = false;
  let hasPayload = false;
  do {
    next = readKey(next + 1);
    if (next == 0) return 0;
    if (key == typeKey) {
      next = skipSpace(next);
      // "track" with its quotes, as a number.
      if (isTyped || (load<u64>(next) & 0x00ffffffffffffff) != 0x00226b6361727422) return 0;
      next += 7;
      isTyped = true;
    } else if (key == payloadKey) {
      if (hasPayload) return 0;
      next = readPayload(next);
      hasPayload = true;
    } else if (key == insertIdKey) next = noteText(at.insertIdSpan, next);
    else next = key >= rareOutsideKey ? 0 : skipValue(next);
    if (next == 0) return 0;
    next = skipSpace(next);
  } while (load<u8>(next) == comma);
  const isWhole = isTyped && hasPayload && load<u32>(at.nameSpan) != 0 && load<u8>(next) == closeBrace;
  return isWhole ? next + 1 : 0;
}

function readPayload(from: usize): usize {
  let next = skipSpace(from);
  if (load<u8>(next) != openBrace) return 0;
  do {
    next = readKey(next + 1);
    if (next == 0) return 0;
    if (key == nameKey) next = noteText(at.nameSpan, next);
    else if (key == propertiesKey) next = readProperties(next);
    else if (key == profileIdKey) next = noteText(at.profileSpan, next);
    else next = key >= rareOutsideKey || key == insertIdKey ? 0 : skipValue(next);
    if (next == 0) return 0;
    next = skipSpace(next);
  } while (load<u8>(next) == comma);
  return load<u8>(next) == closeBrace ? next + 1 : 0;
}

function readProperties(from: usize): usize {
  const start = skipSpace(from);
  if (load<u32>(at.propertiesSpan) != 0 || load<u8>(start) != openBrace) return 0;
  let next = skipSpace(start + 1);
  if (load<u8>(next) != closeBrace) {
    // One before its first key, as behind a comma.
    next = start;
    do {
      next = readKey(next + 1);
      if (next == 0) return 0;
      if (key < timestampKey || key == rareOutsideKey) next = skipValue(next);
      else if (key == rareKey) return 0;
      else if (key == referrerKey) next = noteAnyText(at.referrerSpan, next);
      else next = noteText(spanOfProperty(), next);
      if (next == 0) return 0;
      next = skipSpace(next);
    } while (load<u8>(next) == comma);
    if (load<u8>(next) != closeBrace) return 0;
  }
  note(at.propertiesSpan, start, next + 1);
  return next + 1;
}

@inline
function spanOfProperty(): usize {
  if (key == timestampKey) return at.timestampSpan;
  if (key == deviceIdKey) return at.deviceSpan;
  return key == pathKey ? at.pathSpan : at.insertIdSpan;
}

@inline
function note(span: usize, start: usize, end: usize): void {
  store<u32>(span, <u32>start);
  store<u32>(span, <u32>end, 4);
}

/** Notes a text, without its quotes, that is not empty, holds no escape, and was not noted before. */
function noteText(span: usize, from: usize): usize {
  const end = noteAnyText(span, from);
  return end == 0 || load<u32>(span) == load<u32>(span, 4) ? 0 : end;
}

/** The same, perhaps empty. */
function noteAnyText(span: usize, from: usize): usize {
  const start = skipSpace(from);
  if (load<u32>(span) != 0 || load<u8>(start) != quote) return 0;
  const end = plainEnd(start + 1);
  if (load<u8>(end) != quote) return 0;
  note(span, start + 1, end);
  return end + 1;
}

/**
 * A key without escapes and the colon behind it. Mostly it is the one that stood in this place of the row before, byte
 * for byte: where it ends is known then before its bytes are.
 */
@inline
function readKey(from: usize): usize {
  const text = v128.and(v128.load(from), v128.load(guess, 16));
  if (v128.any_true(v128.xor(text, v128.load(guess)))) return readOtherKey(from);
  const next = from + load<u32>(guess, 32);
  key = load<i32>(guess, 36);
  guess += at.guessBytes;
  return next;
}

function readOtherKey(from: usize): usize {
  const start = skipSpace(from) + 1;
  if (load<u8>(start - 1) != quote) return 0;
  const end = plainEnd(start);
  if (load<u8>(end) != quote) return 0;
  key = codeOf(start, end - start);
  const colonAt = skipSpace(end + 1);
  if (load<u8>(colonAt) != colon) return 0;
  const next = colonAt + 1;
  if (guess == at.guessesEnd) return next;
  const size = next - from;
  // A longer one is not guessed: with no byte kept, no text is equal.
  const mask = v128.load(at.masks + (size > 16 ? 16 : 16 - size));
  v128.store(guess, size > 16 ? noText() : v128.and(v128.load(from), mask));
  v128.store(guess, mask, 16);
  store<u32>(guess, <u32>size, 32);
  store<i32>(guess, key, 36);
  guess += at.guessBytes;
  return next;
}

/** Guesses nothing yet; nor behind the last place, ever. */
export function clearGuesses(): void {
  for (let place = at.guesses; place <= at.guessesEnd; place += at.guessBytes) v128.store(place, noText());
}

@inline
function noText(): v128 {
  return i8x16.splat(-1);
}

/** Lays a key in; false where another one has its hash. */
export function addKey(start: usize, size: usize, code: u8): bool {
  const text = textOf(start, size);
  const entry = entryOf(text);
  if (load<u8>(entry, 16) != 0) return false;
  v128.store(entry, text);
  store<u8>(entry, code, 16);
  return true;
}

@inline
function codeOf(start: usize, size: usize): i32 {
  if (size > 16) return 0;
  const text = textOf(start, size);
  const entry = entryOf(text);
  return v128.any_true(v128.xor(text, v128.load(entry))) ? 0 : load<u8>(entry, 16);
}

@inline
function textOf(start: usize, size: usize): v128 {
  return v128.and(v128.load(start), v128.load(at.masks + 16 - size));
}

@inline
function entryOf(text: v128): usize {
  const folded = i64x2.extract_lane(text, 0) ^ rotl(i64x2.extract_lane(text, 1), 29);
  return at.keys + <usize>(<u64>folded * keyFactor >> (64 - at.keyBits)) * at.keyBytes;
}

/** Line breaks are left to the way that takes them out: a record is one line. */
@inline
function skipSpace(from: usize): usize {
  let next = from;
  while (load<u8>(next) == 0x20 || load<u8>(next) == 0x09) next++;
  return next;
}

/** The first byte from here on that is a quote, a backslash, or nothing that JSON allows in a text. */
@inline
function plainEnd(from: usize): usize {
  let next = from;
  while (true) {
    const bytes = v128.load(next);
    const ends = v128.or(
      v128.or(i8x16.eq(bytes, i8x16.splat(0x22)), i8x16.eq(bytes, i8x16.splat(0x5c))),
      i8x16.lt_u(bytes, i8x16.splat(0x20)),
    );
    const found = i8x16.bitmask(ends);
    if (found != 0) return next + ctz(found);
    next += 16;
  }
}

/**
 * A text from its quote on, perhaps with escapes. Those with `u` are left to the schema's path, which looks for lone
 * surrogates.
 */
@inline
function skipText(from: usize): usize {
  let next = from;
  while (true) {
    next = plainEnd(next + 1);
    const byte = load<u8>(next);
    if (byte == quote) return next + 1;
    if (byte != backslash || !isShortEscape(load<u8>(++next))) return 0;
  }
}

function isShortEscape(byte: u32): bool {
  return byte == quote || byte == backslash || byte == 0x2f || byte == 0x62 || byte == 0x66 || byte == 0x6e ||
    byte == 0x72 || byte == 0x74;
}

/** Any JSON value; nested ones without recursion. */
function skipValue(from: usize): usize {
  let next = from;
  let depth: i32 = 0;
  /** A bit for each open bracket, the innermost one the lowest: is it a brace? */
  let braces: u32 = 0;
  while (true) {
    next = skipSpace(next);
    const byte: u32 = load<u8>(next);
    if (byte == quote) next = skipText(next);
    else if (byte == openBrace || byte == openBracket) {
      if (depth == maxDepth) return 0;
      next = skipSpace(next + 1);
      if (load<u8>(next) != byte + 2) {
        depth++;
        braces = braces << 1 | <u32>(byte == openBrace);
        if (byte == openBracket) continue;
        next = skipKey(next);
        if (next == 0) return 0;
        continue;
      }
      next++;
    } else next = skipScalar(next, byte);
    if (next == 0) return 0;
    for (;;) {
      if (depth == 0) return next;
      next = skipSpace(next);
      const after: u32 = load<u8>(next++);
      const isBrace = (braces & 1) != 0;
      if (after == comma) {
        if (isBrace) next = skipKey(next);
        if (next == 0) return 0;
        break;
      }
      if (after != (isBrace ? closeBrace : closeBracket)) return 0;
      depth--;
      braces >>= 1;
    }
  }
}

function skipKey(from: usize): usize {
  let next = skipSpace(from);
  if (load<u8>(next) != quote) return 0;
  next = skipText(next);
  if (next == 0) return 0;
  next = skipSpace(next);
  return load<u8>(next) == colon ? next + 1 : 0;
}

/** A word or a number. */
@inline
function skipScalar(from: usize, first: u32): usize {
  const word = load<u32>(from);
  if (word == 0x65757274 || word == 0x6c6c756e) return from + 4; // true, null
  if (word == 0x736c6166 && load<u8>(from, 4) == 0x65) return from + 5; // false
  return skipNumber(from, first);
}

/** A number by RFC 8259, section 6. */
function skipNumber(from: usize, first: u32): usize {
  let next = from + <usize>(first == 0x2d);
  if (load<u8>(next) == 0x30) next++;
  else next = skipDigits(next);
  if (next == 0) return 0;
  if (load<u8>(next) == 0x2e) next = skipDigits(next + 1);
  if (next == 0 || (load<u8>(next) | 0x20) != 0x65) return next;
  const sign: u32 = load<u8>(next, 1);
  return skipDigits(next + (sign == 0x2b || sign == 0x2d ? 2 : 1));
}

/** At least one. */
@inline
function skipDigits(from: usize): usize {
  let next = from;
  while (<u32>load<u8>(next) - 0x30 < 10) next++;
  return next == from ? 0 : next;
}
