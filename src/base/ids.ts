/**
 * Identifiers that the daemon hands out.
 * @module
 */

import type { Clock } from "./clock.ts";

/**
 * Makes UUID version 7 strings (RFC 9562, section 5.7): 48 bits of time, then a 42-bit counter that starts at
 * a random place, then 32 random bits a process. Two ids of one process never agree and sort in the order in
 * which they were made, also when the clock goes backwards.
 */
export class IdSource {
  readonly #clock: Clock;
  /** The id handed out last, as text; the next one differs in a few digits. */
  readonly #text = new Uint8Array(36);
  #time = -1;
  #counter = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#text.set(asciiBytes("00000000-0000-7000-8000-0000"));
    writeHex(this.#text, 28, randomUint32(), 8);
  }

  /** The next id, 36 characters. */
  next(): string {
    this.#advance(this.#clock.now());
    return String.fromCharCode(...this.#text);
  }

  /**
   * Lends out the ids that come next, to be made elsewhere and told to {@link used}: an id is the text with the
   * counter, hex digits, in its places: 12 bits from character 15 on, 14 behind the variant's 2 from 19, 16 from 24.
   * @param text Takes the 36 ASCII bytes.
   * @param now Wall clock, ms since the epoch.
   * @returns the counter of the first one, of 42 bits; each further one counts one more
   */
  lend(text: Uint8Array, now: number): number {
    if (now > this.#time) this.#beginTime(now);
    text.set(this.#text);
    return this.#counter;
  }

  /** So many of those that were lent out are in use; no other id may have been made meanwhile. */
  used(count: number): void {
    this.#counter += count;
  }

  #advance(now: number): void {
    if (now > this.#time) this.#beginTime(now);
    // 42 bits: 12 of rand_a, 30 of rand_b. It starts below 2^40, so 3 * 2^40 ids fit before it would come round.
    const count = this.#counter++;
    const low = count % 0x40000000;
    const text = this.#text;
    writeHex(text, 15, Math.floor(count / 0x40000000) & 0xfff, 3);
    writeHex(text, 19, 0x8000 | (low >>> 16), 4);
    writeHex(text, 24, low & 0xffff, 4);
  }

  #beginTime(now: number): void {
    this.#time = now;
    this.#counter = randomUint32() * 256;
    writeHex(this.#text, 0, Math.floor(now / 65_536), 8);
    writeHex(this.#text, 9, now % 65_536, 4);
  }
}

const digits = asciiBytes("0123456789abcdef");

/** Writes the lowest `size` hex digits of an unsigned 32-bit number. */
function writeHex(text: Uint8Array, at: number, value: number, size: number): void {
  let rest = value;
  for (let i = at + size - 1; i >= at; i--) {
    text[i] = digits[rest & 15];
    rest >>>= 4;
  }
}

function randomUint32(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

function asciiBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
