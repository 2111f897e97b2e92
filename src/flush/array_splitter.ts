/**
 * Cuts a JSON array of objects into its elements, whatever the pieces it comes in. The bytes are known to be JSON.
 * @module
 */

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** Takes what stands between the brackets of an array. Resumable at every byte. */
export class ArraySplitter {
  #rest: Uint8Array[] = [];
  #depth = 0;
  #inString = false;
  #isEscaped = false;

  /** Gives the elements that end within these bytes; each is valid until the next call. */
  *push(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
    let start = this.#depth > 0 ? 0 : -1;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at];
      if (this.#isEscaped) this.#isEscaped = false;
      else if (this.#inString) {
        if (byte === backslash) this.#isEscaped = true;
        else if (byte === quote) this.#inString = false;
      } else if (byte === quote) this.#inString = true;
      else if (byte === openBrace || byte === openBracket) {
        if (this.#depth++ === 0) start = at;
      } else if ((byte === closeBrace || byte === closeBracket) && --this.#depth === 0) {
        yield this.#joined(bytes.subarray(start, at + 1));
        start = -1;
      }
    }
    if (start >= 0) this.#rest.push(bytes.slice(start));
  }

  #joined(last: Uint8Array): Uint8Array {
    if (this.#rest.length === 0) return last;
    const whole = new Uint8Array(this.#rest.reduce((sum, { length }) => sum + length, last.length));
    let at = 0;
    for (const piece of [...this.#rest, last]) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.#rest = [];
    return whole;
  }
}
