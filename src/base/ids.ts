/**
 * Identifiers that the daemon hands out.
 * @module
 */

import type { Clock } from "./clock.ts";

const hex: string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/**
 * Makes UUID version 7 strings (RFC 9562, section 5.7): 48 bits of time, then a 42-bit counter that starts at
 * a random place, then 32 random bits a process. Two ids of one process never agree and sort in the order in
 * which they were made, also when the clock goes backwards.
 */
export class IdSource {
  readonly #clock: Clock;
  readonly #tail: string;
  #time = 0;
  #counter = 0;
  #timeText = "";

  constructor(clock: Clock) {
    this.#clock = clock;
    const random = crypto.getRandomValues(new Uint8Array(4));
    this.#tail = Array.from(random, (byte) => hex[byte]).join("");
  }

  /** Writes the next id into `buffer` at `at`: 36 ASCII bytes. */
  writeNext(buffer: Uint8Array, at: number): void {
    const id = this.next();
    for (let i = 0; i < 36; i++) buffer[at + i] = id.charCodeAt(i);
  }

  /** The next id, 36 characters. */
  next(): string {
    const now = this.#clock.now();
    if (now > this.#time) {
      this.#time = now;
      const random = crypto.getRandomValues(new Uint32Array(1))[0];
      this.#counter = random * 256;
      this.#timeText = textOfTime(now);
    }
    // 42 bits: 12 of rand_a and 30 below the variant. The random start leaves more than 2^41 steps.
    const count = this.#counter++;
    const high = Math.floor(count / 0x40000000) & 0xfff;
    const low = count & 0x3fffffff;
    const variant = 0x8000 | (low >>> 16);
    return this.#timeText + "-7" + hex[high >>> 8][1] + hex[high & 0xff] +
      "-" + hex[variant >>> 8] + hex[variant & 0xff] +
      "-" + hex[(low >>> 8) & 0xff] + hex[low & 0xff] + this.#tail;
  }
}

function textOfTime(time: number): string {
  const digits = Math.max(0, Math.floor(time)).toString(16).padStart(12, "0").slice(-12);
  return digits.slice(0, 8) + "-" + digits.slice(8);
}
