/**
 * A fast hash of texts, for tables and filters in memory; never stored.
 * @module
 */

/**
 * 53 bits that depend on every character: the lower 32 and the 21 above them are independent of each other.
 *
 * @param seed Another seed, another hash. @default 0
 */
export function hashText(text: string, seed = 0): number {
  let low = seed ^ 0x2f0b4c47;
  let high = Math.imul(seed, 0x5bd1e995) ^ 0x79d68cb5;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    low = Math.imul(low ^ code, 0x27d4eb2f);
    high = Math.imul(high ^ code, 0x165667b1);
  }
  low = mix(low ^ text.length);
  high = mix(high + low);
  return (high & 0x1fffff) * 0x1_0000_0000 + (low >>> 0);
}

/** Spreads the bits of a 32-bit integer over all of it. */
export function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  value = Math.imul(value ^ (value >>> 12), 0x297a2d39);
  return value ^ (value >>> 15);
}

/** A 32-bit hash of the number of a row and another number, such as a request and one of its batch indexes. */
export function hashPair(row: number, value: number, seed: number): number {
  const high = Math.floor(value / 0x1_0000_0000) | 0;
  return mix(mix(mix((value | 0) ^ seed) ^ high) + row);
}

/** A seed that nobody outside knows, so that nobody can choose names or numbers that fall into one bucket. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Int32Array(1))[0];
}
