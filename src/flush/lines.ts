/**
 * Cuts bytes that come in pieces into lines.
 * @module
 */

const lineBreak = 0x0a;

/** Hands over each line once its line break arrived. */
export class LineCutter {
  readonly #take: (line: Uint8Array) => void;
  #held: Uint8Array[] = [];

  /** @param take Gets a line without its line break; valid until it returns. */
  constructor(take: (line: Uint8Array) => void) {
    this.#take = take;
  }

  /** The next piece. It is copied where a line goes on into the piece after it. */
  push(piece: Uint8Array): void {
    let start = 0;
    for (let end = piece.indexOf(lineBreak); end >= 0; end = piece.indexOf(lineBreak, start)) {
      this.#take(this.#joined(piece.subarray(start, end)));
      start = end + 1;
    }
    if (start < piece.length) this.#held.push(piece.slice(start));
  }

  /** No more comes: what is left is the last line. */
  finish(): void {
    if (this.#held.length > 0) this.#take(this.#joined(new Uint8Array(0)));
  }

  #joined(end: Uint8Array): Uint8Array {
    if (this.#held.length === 0) return end;
    const parts = [...this.#held, end];
    this.#held = [];
    const line = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      line.set(part, at);
      at += part.length;
    }
    return line;
  }
}
