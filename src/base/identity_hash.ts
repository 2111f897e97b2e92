/**
 * Identities as 128 bits: a keyed hash of owner and insert id, computed from bytes. The key is random for each
 * data_dir and never leaves it, so nobody outside can choose two ids that have one hash (docs/adr/0020).
 *
 * Source of the hash: N. Mouha et al., "Chaskey: An Efficient MAC Algorithm for 32-bit Microcontrollers" (SAC 2014),
 * with 8 rounds and tags of 128 bits.
 * @module
 */

import { splitIdentityKey } from "./identity.ts";

/** Words of 32 bits in a digest. */
export const digestWords = 4;
/** Bytes of a key. */
export const identitySecretBytes = 16;

const blockBytes = 16;
const rounds = 8;
/** Owners whose beginnings are remembered; past it all are forgotten. */
const maxOwners = 1_024;
/** Longer texts are encoded into a buffer of their own. */
const scratchBytes = 3 * 256;
const encoder = new TextEncoder();
const noKeys = new Int32Array(3 * digestWords);

/** Bytes `[start, end)`, and where their digest goes: {@link digestWords} words of `out`, from number `at` on. */
export interface DigestedBytes {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly out: Int32Array;
  readonly at: number;
}

/** Computes the digests of identities under one key. */
export class IdentityHash {
  /** The key; then what is made of it for a last block that is full, and for one that is filled up. */
  readonly #keys = new Int32Array(3 * digestWords);
  /** States behind the owner's blocks. */
  readonly #owners = new Map<string, Int32Array>();
  readonly #scratch = new Uint8Array(scratchBytes);
  #lastOwner: string | undefined;
  #lastState: Int32Array = noKeys;

  /**
   * @param secret The key.
   * @throws RangeError when it has not {@link identitySecretBytes} bytes
   */
  constructor(secret: Uint8Array) {
    if (secret.length !== identitySecretBytes) {
      throw new RangeError(
        `Cannot hash identities: the key must have ${identitySecretBytes} bytes: current value is ${secret.length}`,
      );
    }
    for (let i = 0; i < digestWords; i++) this.#keys[i] = wordAt(secret, 4 * i, 4);
    double(this.#keys, 0);
    double(this.#keys, digestWords);
  }

  /** Computes the digest of an insert id, whose text in UTF-8 is given. @param owner See `identityOwner`. */
  digest(owner: string, text: DigestedBytes): void {
    const state = owner === this.#lastOwner ? this.#lastState : this.#stateOf(owner);
    absorb(state, this.#keys, text);
  }

  /** The same for a key as `identityKey` makes it. */
  digestKey(key: string, out: Int32Array, at = 0): void {
    const { owner, insertId } = splitIdentityKey(key);
    const fits = 3 * insertId.length <= scratchBytes;
    const bytes = fits ? this.#scratch : encoder.encode(insertId);
    const end = fits ? encoder.encodeInto(insertId, bytes).written : bytes.length;
    this.digest(owner, { bytes, start: 0, end, out, at });
  }

  #stateOf(owner: string): Int32Array {
    let state = this.#owners.get(owner);
    if (state === undefined) {
      if (this.#owners.size >= maxOwners) this.#owners.clear();
      this.#owners.set(owner, state = this.#begin(encoder.encode(owner)));
    }
    this.#lastOwner = owner;
    this.#lastState = state;
    return state;
  }

  /** The owner fills whole blocks. It says its own length, so no two messages are alike. */
  #begin(owner: Uint8Array): Int32Array {
    const state = this.#keys.slice(0, digestWords);
    if (owner.length === 0) return state;
    const bytes = new Uint8Array(Math.ceil(owner.length / blockBytes) * blockBytes);
    bytes.set(owner);
    absorb(state, noKeys, { bytes, start: 0, end: bytes.length, out: state, at: 0 });
    return state;
  }
}

/** Takes in a message and ends it, beginning with `state`. Its words live in local variables, which makes it fast. */
function absorb(state: Int32Array, keys: Int32Array, { bytes, start, end, out, at }: DigestedBytes): void {
  let v0 = state[0], v1 = state[1], v2 = state[2], v3 = state[3];
  for (let i = start;; i += blockBytes) {
    const left = end - i;
    if (left >= blockBytes) {
      v0 ^= bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24;
      v1 ^= bytes[i + 4] | bytes[i + 5] << 8 | bytes[i + 6] << 16 | bytes[i + 7] << 24;
      v2 ^= bytes[i + 8] | bytes[i + 9] << 8 | bytes[i + 10] << 16 | bytes[i + 11] << 24;
      v3 ^= bytes[i + 12] | bytes[i + 13] << 8 | bytes[i + 14] << 16 | bytes[i + 15] << 24;
    } else {
      v0 ^= wordAt(bytes, i, left);
      v1 ^= wordAt(bytes, i + 4, left - 4);
      v2 ^= wordAt(bytes, i + 8, left - 8);
      v3 ^= wordAt(bytes, i + 12, left - 12);
    }
    const isLast = left <= blockBytes;
    const key = left === blockBytes ? digestWords : 2 * digestWords;
    if (isLast) {
      v0 ^= keys[key];
      v1 ^= keys[key + 1];
      v2 ^= keys[key + 2];
      v3 ^= keys[key + 3];
    }
    for (let round = 0; round < rounds; round++) {
      v0 = (v0 + v1) | 0;
      v1 = (v1 << 5 | v1 >>> 27) ^ v0;
      v0 = v0 << 16 | v0 >>> 16;
      v2 = (v2 + v3) | 0;
      v3 = (v3 << 8 | v3 >>> 24) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = (v3 << 13 | v3 >>> 19) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = (v1 << 7 | v1 >>> 25) ^ v2;
      v2 = v2 << 16 | v2 >>> 16;
    }
    if (!isLast) continue;
    out[at] = v0 ^ keys[key];
    out[at + 1] = v1 ^ keys[key + 1];
    out[at + 2] = v2 ^ keys[key + 2];
    out[at + 3] = v3 ^ keys[key + 3];
    return;
  }
}

/** Four bytes, little endian; where only `left` are there, the bit 1 follows them and then zeros. */
function wordAt(bytes: Uint8Array, at: number, left: number): number {
  let word = left >= 0 && left < 4 ? 1 << (8 * left) : 0;
  for (let i = 0; i < Math.min(left, 4); i++) word |= bytes[at + i] << (8 * i);
  return word;
}

/** Writes the double, in the field of 2^128 elements, of the four words from `from` on behind them. */
function double(words: Int32Array, from: number): void {
  for (let i = 0; i < digestWords; i++) {
    const carry = i > 0 ? words[from + i - 1] >>> 31 : words[from + 3] < 0 ? 0x87 : 0;
    words[from + digestWords + i] = words[from + i] << 1 ^ carry;
  }
}
