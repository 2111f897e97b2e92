/**
 * Short copies, 16 bytes at a time: up to 15 bytes more are read, and written, than were asked for. What lies behind
 * the end is written next, or is room that is left for it.
 */

import * as at from "./layout";

/** Copies and answers where it ends. */
@inline
export function put(out: usize, from: usize, size: usize): usize {
  for (let i: usize = 0; i < size; i += 16) v128.store(out + i, v128.load(from + i));
  return out + size;
}

/** Writes one of the texts that event_kernel.ts has laid in, by number; none is longer than 31 bytes. */
@inline
export function putText(out: usize, number: i32): usize {
  const text = at.texts + number * at.textBytes;
  v128.store(out, v128.load(text, 1));
  v128.store(out, v128.load(text, 16), 15);
  return out + <usize>load<u8>(text);
}

/** Are these the same bytes? */
@inline
export function isSame(a: usize, b: usize, size: usize): bool {
  let i: usize = 0;
  for (; i + 16 <= size; i += 16) {
    if (v128.any_true(v128.xor(v128.load(a + i), v128.load(b + i)))) return false;
  }
  const rest = v128.load(at.masks + 16 - (size - i));
  return !v128.any_true(v128.and(v128.xor(v128.load(a + i), v128.load(b + i)), rest));
}
