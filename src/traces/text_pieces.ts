/**
 * Text that is made in many small bits, as bytes in pieces worth sending.
 * @module
 */

/** Characters that make a piece. */
const pieceCharacters = 65_536;
const encoder = new TextEncoder();

/** Gathers text. */
export class TextPieces {
  #bits: string[] = [];
  #length = 0;

  add(text: string): void {
    this.#bits.push(text);
    this.#length += text.length;
  }

  /** What has gathered, if that is enough to be sent. */
  *ready(): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
    if (this.#length >= pieceCharacters) yield* this.rest();
  }

  /** What has gathered. */
  *rest(): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
    if (this.#length === 0) return;
    const text = this.#bits.join("");
    this.#bits = [];
    this.#length = 0;
    yield encoder.encode(text);
  }
}
