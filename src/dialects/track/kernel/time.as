/** Times as `2026-11-20T18:00:00.000Z`, to and from ms since the epoch (days by the proleptic Gregorian calendar). */

const dayMs: f64 = 86400000;
/** The last ms of the year 9999. */
const lastTime: f64 = 253402300799999;

/** The date read last, as its ten bytes, and its midnight. */
let date: u64 = 0;
let dateEnd: u32 = 0;
let midnight: f64 = NaN;
/** The time written last. */
let written: f64 = NaN;

/** NaN for 24 bytes that are not written like this, or name no time. */
export function readTime(start: usize): f64 {
  if (load<u64>(start) != date || load<u16>(start, 8) != dateEnd) {
    date = load<u64>(start);
    dateEnd = load<u16>(start, 8);
    midnight = readDate(start);
  }
  const isIso = load<u8>(start, 10) == 0x54 && load<u8>(start, 13) == 0x3a && load<u8>(start, 16) == 0x3a &&
    load<u8>(start, 19) == 0x2e && load<u8>(start, 23) == 0x5a;
  const hour = twoDigits(start + 11);
  const minute = twoDigits(start + 14);
  const second = twoDigits(start + 17);
  const ms = twoDigits(start + 20) * 10 + digit(start + 22);
  if (!isIso || hour > 23 || minute > 59 || second > 59 || ms > 999) return NaN;
  return midnight + <f64>(((hour * 60 + minute) * 60 + second) * 1000 + ms);
}

function readDate(start: usize): f64 {
  const high = twoDigits(start);
  const low = twoDigits(start + 2);
  const month = twoDigits(start + 5);
  const day = twoDigits(start + 8);
  if (load<u8>(start, 4) != 0x2d || load<u8>(start, 7) != 0x2d || high > 99 || low > 99) return NaN;
  const year = <i32>(high * 100 + low);
  if (month - 1 > 11 || day - 1 >= daysOf(month, year)) return NaN;
  // Years begin with March, so that the day that some have more comes last; 400 years more keep them above zero.
  const shifted = year + 400 - <i32>(month <= 2);
  const era = shifted / 400;
  const inEra = shifted % 400;
  const ofYear = <i32>((153 * ((month + 9) % 12) + 2) / 5 + day - 1);
  const days = (era - 1) * 146097 + inEra * 365 + inEra / 4 - inEra / 100 + ofYear - 719468;
  return <f64>days * dayMs;
}

function daysOf(month: u32, year: i32): u32 {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/** More than 9 for what is no digit. */
@inline
function digit(at: usize): u32 {
  const value = <u32>load<u8>(at) - 0x30;
  return value > 9 ? 1000 : value;
}

/** More than 99 for what is not two digits. */
@inline
function twoDigits(at: usize): u32 {
  return digit(at) * 10 + digit(at + 1);
}

/** Writes a time there, unless it is the one that was written last. False when it is outside of the years 0 to 9999. */
export function writeTime(time: f64, to: usize): bool {
  if (time == written) return true;
  if (!(time >= 0 && time <= lastTime) || time != floor(time)) return false;
  written = time;
  const days = <i32>floor(time / dayMs) + 719468;
  const rest = <i32>(time - floor(time / dayMs) * dayMs);
  const era = days / 146097;
  const ofEra = days % 146097;
  const yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146096) / 365;
  const ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const march = (5 * ofYear + 2) / 153;
  const month = march < 10 ? march + 3 : march - 9;
  const year = era * 400 + yearOfEra + <i32>(month <= 2);
  writeTwo(to, year / 100);
  writeTwo(to + 2, year % 100);
  store<u8>(to, 0x2d, 4);
  writeTwo(to + 5, month);
  store<u8>(to, 0x2d, 7);
  writeTwo(to + 8, ofYear - (153 * march + 2) / 5 + 1);
  store<u8>(to, 0x54, 10);
  writeTwo(to + 11, rest / 3600000);
  store<u8>(to, 0x3a, 13);
  writeTwo(to + 14, rest / 60000 % 60);
  store<u8>(to, 0x3a, 16);
  writeTwo(to + 17, rest / 1000 % 60);
  store<u8>(to, 0x2e, 19);
  store<u8>(to, <u8>(0x30 + rest / 100 % 10), 20);
  writeTwo(to + 21, rest % 100);
  store<u8>(to, 0x5a, 23);
  return true;
}

@inline
function writeTwo(to: usize, value: i32): void {
  store<u8>(to, <u8>(0x30 + value / 10));
  store<u8>(to, <u8>(0x30 + value % 10), 1);
}
