/**
 * Events of the common shape, from the bytes of their rows to the bytes of their records: see event_kernel.ts, which
 * calls this and answers what it cannot know.
 *
 * Nothing is read or written outside of its place: readers stop at the zeros behind the stretch, and what is read
 * further, at most 64 bytes, is the memory's own; a record is only written where the output has room for the longest
 * that its row can become.
 *
 * After a change: deno run --no-lock --allow-read --allow-write --allow-env src/kernel_build.ts
 */

import * as at from "./layout";
import { put, putText } from "./copy";
import { putPage, readPage } from "./page";
import { readRow } from "./reader";
import { findDevice, findName } from "./tables";
import { readTime, writeTime } from "./time";

export * from "./layout";
export { addKey, clearGuesses } from "./reader";
export { addDevice, addName, allocate, clear } from "./tables";

/** Why it stopped. */
export const allDone: i32 = 0;
/** The row is not of the common shape, or must be refused. */
export const notMine: i32 = 1;
/** Is this name taken, and may it be? */
export const newName: i32 = 2;
/** Is this profile blocked, or does it have a live session? */
export const profileAsked: i32 = 3;
/** The device is not known, or its session does not take the event. */
export const newDevice: i32 = 4;
/** Is what is known of the device still so? */
export const oldDevice: i32 = 5;
/** The page, or its referrer, needs a parser. */
export const pageAsked: i32 = 6;
/** The records must be taken out first. */
export const outputFull: i32 = 7;
/** The bracket that ends the list stands behind the row. */
export const listEnded: i32 = 8;

/** What was answered for the row at which it stopped. */
export const resumed: i32 = 1;
export const profileAllowed: i32 = 2;
export const pageGiven: i32 = 4;
export const pageHasPath: i32 = 8;

/** Places in the call. */
export const arrivedAtCall: usize = at.call, timeoutCall: usize = at.call + 8, maxAgeCall: usize = at.call + 16;
export const maxFutureCall: usize = at.call + 24, counterCall: usize = at.call + 32, senderCall: usize = at.call + 40;
export const epochCall: usize = at.call + 44, headCall: usize = at.call + 48, columnsCall: usize = at.call + 56;
export const asksCall: usize = at.call + 64, pageBytesCall: usize = at.call + 68;
/** Answers: why it stopped; the slot of that row's device, -1 where it is not known; in a list, where it stands; time. */
export const stopCall: usize = at.call + 72, deviceCall: usize = at.call + 76, listCall: usize = at.call + 80;
export const timeCall: usize = at.call + 88;
/** Bits of what must be asked: rows that name a profile; those among them that name no device. */
export const asksProfile: i32 = 1, asksServerProfile: i32 = 2;

/** Places in a device's slot, behind hash, sender and text. Texts are a place and a size. */
export const sinceSlot: usize = 16, untilSlot: usize = 24, seenSlot: usize = 32, epochSlot: usize = 40, flagsSlot: usize = 44;
export const columnsSlot: usize = 48, idSlot: usize = 56, referrerSlot: usize = 64;
export const hasSession: i32 = 1, isLive: i32 = 2;

/** In a name's slot: is it screen_view? */
export const viewSlot: usize = 16;

/** Traits of an event, as in session_tally.ts. */
const pathTrait: i32 = 1, viewTrait: i32 = 2, profileTrait: i32 = 4;

const idName: i32 = 0, insertIdName: i32 = 1, profileName: i32 = 2;
/** Bytes of a record besides what is copied: names of columns, time, id; and what a copy may write too much. */
const fixedBytes: usize = 400;
const maxInsertIdCharacters: i32 = 256;

/** Where the row ends that was read last. */
let rowEnd: usize = 0;
/** In a list, what stands behind it. */
let separator: usize = 0;
let out: usize = at.output;

/** The stretch ends here. */
export function seal(end: usize): void {
  const zeros = i64x2.splat(0);
  v128.store(end, zeros);
  v128.store(end, zeros, 16);
  v128.store(end, zeros, 32);
  v128.store(end, zeros, 48);
}

/**
 * Writes records of the rows from number `first` on, before `last`; the places of their records begin at 0.
 * @param given What was answered for the first of them.
 * @returns how many were written
 */
export function writeRows(first: i32, last: i32, given: i32): i32 {
  out = at.output;
  let answers = given;
  for (let row = first; row < last; row++) {
    const place = at.rows + (row << 3);
    const stop = writeRow(row - first, load<u32>(place), load<u32>(place, 4), answers);
    if (stop != allDone) return stopAt(row - first, stop);
    answers = 0;
  }
  return stopAt(last - first, allDone);
}

/**
 * The same for at most so many rows of a list, which end where they end. A row with neither a comma nor the list's end
 * behind it may be cut off: it is left to the caller.
 */
export function writeList(start: i32, most: i32, given: i32): i32 {
  out = at.output;
  let answers = given;
  let next = skipBlanks(start);
  for (let row = 0; row < most; row++) {
    store<u32>(listCall, <u32>next);
    const stop = writeRow(row, next, 0, answers);
    if (stop != allDone) return stopAt(row, stop);
    answers = 0;
    if (load<u8>(separator) == 0x5d) {
      store<u32>(listCall, <u32>separator);
      return stopAt(row + 1, listEnded);
    }
    next = skipBlanks(separator + 1);
  }
  store<u32>(listCall, <u32>next);
  return stopAt(most, allDone);
}

@inline
function stopAt(count: i32, stop: i32): i32 {
  store<i32>(stopCall, stop);
  return count;
}

function skipBlanks(from: usize): usize {
  let next = from;
  while (true) {
    const byte = load<u8>(next);
    if (byte != 0x20 && byte != 0x0a && byte != 0x09 && byte != 0x0d) return next;
    next++;
  }
}

/** Asks all questions before the first byte is written. A row without a known end has the end 0. */
function writeRow(number: i32, start: usize, end: usize, given: i32): i32 {
  if ((given & resumed) == 0) {
    rowEnd = readRow(start);
    if (rowEnd == 0 || !endsAt(end)) return notMine;
  }
  const time = timeOfRow();
  if (isNaN(time) || !fitsInsertId()) return notMine;
  const sender = load<u32>(senderCall);
  const nameStart = load<u32>(at.nameSpan);
  const name = findName(sender, nameStart, load<u32>(at.nameSpan, 4) - nameStart);
  if (name < 0) return newName;
  if ((given & profileAllowed) == 0 && mustAskProfile()) return profileAsked;
  const deviceStart = load<u32>(at.deviceSpan);
  const slot = findDevice(sender, deviceStart, load<u32>(at.deviceSpan, 4) - deviceStart);
  store<i32>(deviceCall, slot);
  store<f64>(timeCall, time);
  if (slot < 0) return newDevice;
  const device = at.devices + slot * at.deviceBytes;
  if (load<u32>(device, epochSlot) != load<u32>(epochCall)) return oldDevice;
  if (!takes(device, time)) return newDevice;
  const pathStart = load<u32>(at.pathSpan);
  const hasReferrer = load<u32>(at.referrerSpan) != load<u32>(at.referrerSpan, 4);
  if ((given & pageGiven) == 0) {
    if (hasReferrer || (pathStart != 0 && !readPage(pathStart, load<u32>(at.pathSpan, 4)))) return pageAsked;
  }
  const records = load<u32>(headCall, 4) + load<u32>(columnsCall, 4) + load<u32>(device, columnsSlot + 4) +
    load<u32>(device, idSlot + 4) + load<u32>(device, referrerSlot + 4) + load<u32>(pageBytesCall);
  // Every byte of the row is written at most twice: once in a column, once within its properties.
  if (out + fixedBytes + records + 2 * (rowEnd - start) > at.outputEnd) return outputFull;
  if (load<f64>(device, seenSlot) < time) store<f64>(device, time, seenSlot);
  const hasPath = (given & pageGiven) == 0 ? pathStart != 0 : (given & pageHasPath) != 0;
  let traits = load<u32>(at.profileSpan) == 0 ? 0 : profileTrait;
  if (hasPath) traits |= pathTrait | (load<u32>(at.names + name * at.nameBytes, viewSlot) != 0 ? viewTrait : 0);
  store<f64>(at.times + (number << 3), time);
  store<u32>(at.slots + (number << 2), slot);
  store<u32>(at.traits + (number << 2), traits);
  writeRecord(number, device, (given & pageGiven) != 0);
  store<u32>(at.ends + (number << 2), <u32>(out - at.output));
  return allDone;
}

@inline
function endsAt(end: usize): bool {
  if (end != 0) return rowEnd == end;
  separator = skipBlanks(rowEnd);
  const byte = load<u8>(separator);
  return byte == 0x2c || byte == 0x5d;
}

/** NaN when it is not written as `2026-11-20T18:00:00.000Z`, or out of the limits. */
@inline
function timeOfRow(): f64 {
  const start = load<u32>(at.timestampSpan);
  const arrivedAt = load<f64>(arrivedAtCall);
  if (start == 0) return writeTime(arrivedAt, at.arrivalText) ? arrivedAt : NaN;
  if (load<u32>(at.timestampSpan, 4) - start != 24) return NaN;
  const time = readTime(start);
  const fits = time - arrivedAt <= load<f64>(maxFutureCall) && arrivedAt - time <= load<f64>(maxAgeCall);
  return fits ? time : NaN;
}

/** At most 256 characters of UTF-16: four bytes of UTF-8 are two of them. */
@inline
function fitsInsertId(): bool {
  const start = load<u32>(at.insertIdSpan);
  const end = load<u32>(at.insertIdSpan, 4);
  if (end - start <= <u32>maxInsertIdCharacters) return true;
  let characters = 0;
  for (let next: usize = start; next < end; next++) {
    const byte = load<u8>(next);
    if ((byte & 0xc0) != 0x80) characters += byte >= 0xf0 ? 2 : 1;
  }
  return characters <= maxInsertIdCharacters;
}

@inline
function mustAskProfile(): bool {
  const asks = load<u32>(asksCall);
  if (asks == 0 || load<u32>(at.profileSpan) == 0) return false;
  return (asks & asksProfile) != 0 || load<u32>(at.deviceSpan) == 0;
}

/** Does an event at this time come to where the device's last one came to? */
@inline
function takes(device: usize, time: f64): bool {
  if (!(time >= load<f64>(device, sinceSlot) && time < load<f64>(device, untilSlot))) return false;
  const flags = load<u32>(device, flagsSlot);
  if ((flags & hasSession) == 0) return true;
  const timeout = load<f64>(timeoutCall);
  const live = load<f64>(arrivedAtCall) - time <= timeout;
  if (live != ((flags & isLive) != 0)) return false;
  return !live || time - load<f64>(device, seenSlot) <= timeout;
}

@inline
function putSpan(to: usize, span: usize): usize {
  const start = load<u32>(span);
  return put(to, start, load<u32>(span, 4) - start);
}

@inline
function putOf(to: usize, place: usize): usize {
  return put(to, load<u32>(place), load<u32>(place, 4));
}

@inline
function writeRecord(number: i32, device: usize, isPageGiven: bool): void {
  let next = putOf(out, headCall);
  next = load<u32>(at.timestampSpan) == 0 ? put(next, at.arrivalText, 24) : putSpan(next, at.timestampSpan);
  next = putId(putText(next, idName));
  store<u32>(at.insertIds + (number << 2), 0);
  if (load<u32>(at.insertIdSpan) != 0) {
    next = putText(next, insertIdName);
    store<u32>(at.insertIds + (number << 2), <u32>(next - at.output));
    next = putSpan(next, at.insertIdSpan);
    store<u32>(at.insertIdEnds + (number << 2), <u32>(next - at.output));
  }
  next = putOf(next, device + columnsSlot);
  next = putSpan(next, at.nameSpan);
  next = putText(next, profileName);
  next = load<u32>(at.profileSpan) == 0 ? putOf(next, device + idSlot) : putSpan(next, at.profileSpan);
  store<u8>(next++, 0x22);
  if (isPageGiven) next = put(next, at.page, load<u32>(pageBytesCall));
  else {
    if (load<u32>(at.pathSpan) != 0) next = putPage(next);
    next = putOf(next, device + referrerSlot);
  }
  next = putOf(next, columnsCall);
  if (load<u32>(at.propertiesSpan) == 0) {
    store<u16>(next, 0x7d7b);
    next += 2;
  } else next = putSpan(next, at.propertiesSpan);
  // The brace that closes the record, and a line break.
  store<u16>(next, 0x0a7d);
  out = next + 2;
}

/** The next id: 12 digits of hex of its counter's upper bits, which the text has, differ with each of 30 lower ones. */
@inline
function putId(to: usize): usize {
  const count = <u64>load<f64>(counterCall);
  store<f64>(counterCall, load<f64>(counterCall) + 1);
  v128.store(to, v128.load(at.idText));
  v128.store(to, v128.load(at.idText, 16), 16);
  store<u32>(to, load<u32>(at.idText, 32), 32);
  const high = hexOf(<u32>(count >> 30) & 0xfff);
  store<u8>(to, <u8>(high >> 40), 15);
  store<u16>(to, <u16>(high >> 48), 16);
  const low = hexOf(<u32>(count & 0x3fffffff) | 0x80000000);
  store<u32>(to, <u32>low, 19);
  store<u32>(to, <u32>(low >> 32), 24);
  return to + 36;
}

/** Eight hex digits, the first one in the lowest byte. */
@inline
function hexOf(value: u32): u64 {
  let digits = <u64>bswap(value);
  digits = (digits | digits << 16) & 0x0000ffff0000ffff;
  digits = (digits | digits << 8) & 0x00ff00ff00ff00ff;
  digits = ((digits >> 4) | (digits << 8)) & 0x0f0f0f0f0f0f0f0f;
  const letters = ((digits + 0x0606060606060606) >> 4) & 0x0101010101010101;
  return digits + 0x3030303030303030 + letters * 39;
}
