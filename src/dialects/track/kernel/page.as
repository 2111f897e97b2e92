/**
 * Pages whose URL needs no parser: what stands in it is what the parser would give back.
 *
 * Plain is: `http://` or `https://`, a host of lower-case letters, digits, single dots and hyphens whose last label
 * begins with a letter, a path of harmless characters in which no dot follows a slash, then perhaps a query and a hash
 * of harmless characters; no query that may name where the visitor comes from. Also: a path that begins with one
 * slash, of any characters. Everything else must be read by a URL parser.
 */

import * as at from "./layout";
import { put, putText } from "./copy";

const slash: u32 = 0x2f, question: u32 = 0x3f, hash: u32 = 0x23, dot: u32 = 0x2e, hyphen: u32 = 0x2d;

/** Bits of classes. */
const inHost: u32 = 1, inPath: u32 = 2, inQuery: u32 = 4, isLetter: u32 = 8;

/** Numbers of texts. */
const pathName: i32 = 3, originName: i32 = 4, queryName: i32 = 5, hashName: i32 = 6;

/** Ends of origin, path, query and hash; each begins where the one before ends. */
let pageStart: usize = 0;
let originEnd: usize = 0;
let pathEnd: usize = 0;
let queryEnd: usize = 0;
let pageEnd: usize = 0;

/** Is this text, without escapes, plain? Then the columns may be written. */
export function readPage(start: usize, end: usize): bool {
  pageStart = originEnd = start;
  pathEnd = queryEnd = pageEnd = end;
  if (load<u8>(start) == slash) return true;
  const path = afterHost(afterScheme(start), end);
  if (path == 0) return false;
  let next = path;
  for (; next < end; next++) {
    const byte: u32 = load<u8>(next);
    if (byte == question || byte == hash) break;
    if ((classOf(byte) & inPath) == 0 || (byte == dot && load<u8>(next - 1) == slash)) return false;
  }
  originEnd = path;
  pathEnd = next;
  if (next < end && load<u8>(next) == question) next = afterPlain(next + 1, end);
  queryEnd = next;
  if (next < end && load<u8>(next) == hash) next = afterPlain(next + 1, end);
  // A lone `?` or `#` is no query and no hash.
  return next == end && queryEnd - pathEnd != 1 && end - queryEnd != 1 && !mayNameSource();
}

/** Writes the columns as JSON members, each with a leading comma: up to 64 bytes more than the URL has. */
export function putPage(out: usize): usize {
  let next = putColumn(out, pathName, originEnd, pathEnd);
  next = putColumn(next, originName, pageStart, originEnd);
  next = putColumn(next, queryName, pathEnd, queryEnd);
  return putColumn(next, hashName, queryEnd, pageEnd);
}

@inline
function putColumn(out: usize, name: i32, start: usize, end: usize): usize {
  if (start == end) return out;
  const next = put(putText(out, name), start, end - start);
  store<u8>(next, 0x22);
  return next + 1;
}

@inline
function classOf(byte: u32): u32 {
  return load<u8>(at.classes + byte);
}

/** Past `http://` or `https://`; 0 for anything else. May look past the end, where zeros or other rows lie. */
@inline
function afterScheme(start: usize): usize {
  if (load<u32>(start) != 0x70747468) return 0;
  const behind = start + 4 + <usize>(load<u8>(start, 4) == 0x73);
  return (load<u32>(behind) & 0xffffff) == 0x2f2f3a ? behind + 3 : 0;
}

/** Where the host ends and the path begins; 0 when the host is not plain, or no path follows. */
function afterHost(start: usize, end: usize): usize {
  if (start == 0 || start > end) return 0;
  let label = start;
  let next = start;
  for (; next < end; next++) {
    const byte: u32 = load<u8>(next);
    if (byte == slash) break;
    if ((classOf(byte) & inHost) == 0) return 0;
    // Two hyphens side by side may be punycode, which a parser checks.
    if (byte == hyphen && load<u8>(next, 1) == hyphen) return 0;
    if (byte != dot) continue;
    if (next == label) return 0;
    label = next + 1;
  }
  const isPlain = next < end && next > label && (classOf(load<u8>(label)) & isLetter) != 0;
  return isPlain ? next : 0;
}

@inline
function afterPlain(start: usize, end: usize): usize {
  let next = start;
  while (next < end && (classOf(load<u8>(next)) & inQuery) != 0) next++;
  return next;
}

/** Does the query hold `ref` or `utm`, which may name a referrer? */
@inline
function mayNameSource(): bool {
  for (let next = pathEnd + 1; next + 3 < queryEnd; next++) {
    const three = load<u32>(next) & 0xffffff;
    if (three == 0x666572 || three == 0x6d7475) return true;
  }
  return false;
}
