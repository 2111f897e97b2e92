/**
 * JSON texts to read, valid and broken, from a seed.
 * @module
 */

/** Numbers in [0, 1) from a seed: the same ones at each run. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const strings = [
  '""',
  '"a"',
  '"events"',
  '"\\u0065vents"',
  '"a\\"b"',
  '"\\\\"',
  '"\\\\\\""',
  '"],[{}"',
  '"\\u00e9\\ud83d\\ude00"',
  '"\\ud83d"',
  '"é😀"',
  '"\u2028 \u007f"',
  '"__proto__"',
  '"\\n\\/"',
];
/**
 * Strings that may be keys: none whose value holds a backslash. V8 15 takes an escaped key for another one of the same
 * length that begins like its source text: once an object with the key `\\` was read, `"\u000a"` is read as that.
 */
const innerKeys = strings.filter((text) => !text.includes("\\\\"));
const scalars = ["0", "-0", "12", "-1.5e+3", "1E400", "123456789012345678901", "true", "false", "null"];
const spaces = ["", "", "", "", " ", "\n", "\r\n", "\t", "  \n "];
const keys = ['"events"', '"rows"', '"a"', '"b"', '"\\u0065vents"', '"event"', '"eventss"', '"é"', '""'];
const rowsKeys = ['"events"', '"events"', '"rows"', '"\\u0065vents"'];
const rubbish = [
  ...'{}[],:"\\ \n0-1.eEu+tfnx/',
  "\u0000",
  "\u0001",
  "\ufeff",
  "\u00a0",
  "é",
  '"events":[',
  "],",
  "\\u12",
  "NaN",
  "'",
  "//",
];

/** Makes JSON texts. */
export class TextMaker {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return Math.floor(this.#random() * below);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }

  space(): string {
    return this.pick(spaces);
  }

  value(depth: number): string {
    const kind = depth === 0 ? this.below(2) : this.below(4);
    if (kind === 0) return this.pick(strings);
    if (kind === 1) return this.pick(scalars);
    if (kind === 2) return this.list(depth);
    return this.object(depth);
  }

  list(depth: number, size = this.below(4)): string {
    const items = Array.from({ length: size }, () => this.space() + this.value(depth - 1) + this.space());
    return "[" + (size === 0 ? this.space() : items.join(",")) + "]";
  }

  object(depth: number): string {
    return this.#object(
      Array.from({ length: this.below(4) }, () => this.#member(this.pick(innerKeys), depth)),
    );
  }

  /** A body as dialects expect it: an object, most often with one array of rows. */
  body(): string {
    const members = Array.from({ length: this.below(3) }, () => this.#member(this.pick(keys), 2));
    if (this.below(8) > 0) {
      const at = this.below(members.length + 1);
      const rows = this.space() + this.pick(rowsKeys) + this.space() + ":" + this.space() +
        this.list(3, this.below(6)) + this.space();
      members.splice(at, 0, rows);
    }
    return this.space() + this.#object(members) + this.space();
  }

  /** The text with one to three places broken, which may leave it valid. */
  broken(text: string): string {
    let out = text;
    for (let times = 1 + this.below(3); times > 0; times--) {
      const at = this.below(out.length + 1);
      const way = this.below(5);
      if (way === 0) out = out.slice(0, at) + out.slice(at + 1 + this.below(3));
      else if (way === 1) out = out.slice(0, at) + this.pick(rubbish) + out.slice(at);
      else if (way === 2) out = out.slice(0, at) + this.pick(rubbish) + out.slice(at + 1);
      else if (way === 3) out = out.slice(0, at) + out.slice(this.below(out.length), at) + out.slice(at);
      else out = out.slice(0, at);
    }
    return out;
  }

  /** The bytes of the text, now and then with one of them no longer UTF-8. */
  bytes(text: string): Uint8Array {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > 0 && this.below(20) === 0) bytes[this.below(bytes.length)] = 0x80 + this.below(128);
    return bytes;
  }

  /** Up to `most` places in [0, length], ascending. */
  cuts(length: number, most: number): number[] {
    return Array.from({ length: this.below(most + 1) }, () => this.below(length + 1)).sort((a, b) => a - b);
  }

  #member(key: string, depth: number): string {
    return this.space() + key + this.space() + ":" + this.space() + this.value(depth) + this.space();
  }

  #object(members: string[]): string {
    return "{" + (members.length === 0 ? this.space() : members.join(",")) + "}";
  }
}
