/**
 * Finds the members of a JSON object in bytes that are known to be JSON, without making values of them. The lines
 * of the journal are such bytes.
 * @module
 */

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;
const colon = 0x3a;

/** A byte order mark inside a value is part of it. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Walks the members of one object: {@link next} until it answers false. */
export class JsonMembers {
  readonly #bytes: Uint8Array;
  #at: number;
  /** Bytes of the current member's name are `[keyStart, keyEnd)`, without the quotes, escapes as they stand. */
  keyStart = 0;
  keyEnd = 0;
  /** Bytes of the current member's value are `[valueStart, valueEnd)`. */
  valueStart = 0;
  valueEnd = 0;

  /** @param at Where the object's `{` stands. */
  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = skipBlanks(bytes, at) + 1;
  }

  /** Goes to the next member. */
  next(): boolean {
    const bytes = this.#bytes;
    let at = skipBlanks(bytes, this.#at);
    if (bytes[at] === comma) at = skipBlanks(bytes, at + 1);
    if (bytes[at] !== quote) return false;
    this.keyStart = at + 1;
    at = skipString(bytes, at);
    this.keyEnd = at - 1;
    at = skipBlanks(bytes, at);
    if (bytes[at] !== colon) return false;
    this.valueStart = skipBlanks(bytes, at + 1);
    this.valueEnd = this.#at = skipValue(bytes, this.valueStart);
    return true;
  }

  /** Is this the current member's name? @param name Without characters that JSON escapes. */
  is(name: Uint8Array): boolean {
    const start = this.keyStart;
    if (this.keyEnd - start !== name.length) return false;
    const bytes = this.#bytes;
    for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
    return true;
  }

  /** The current member's name. */
  key(): string {
    return stringAt(this.#bytes, this.keyStart - 1, this.keyEnd + 1);
  }

  /** The current member's value when it is a string, else "". */
  string(): string {
    if (this.#bytes[this.valueStart] !== quote) return "";
    return stringAt(this.#bytes, this.valueStart, this.valueEnd);
  }

  /** The current member's value when it is a number, else NaN. */
  number(): number {
    const first = this.#bytes[this.valueStart];
    // A digit or a minus: null, true and "" would become numbers otherwise.
    if (first !== 0x2d && !(first >= 0x30 && first <= 0x39)) return NaN;
    return Number(this.json());
  }

  /** The current member's value as it stands. */
  json(): string {
    return decoder.decode(this.#bytes.subarray(this.valueStart, this.valueEnd));
  }
}

/** Where the value that begins at `at` ends, exclusive. */
export function skipValue(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === quote) return skipString(bytes, at);
  if (first === openBrace || first === openBracket) return skipContainer(bytes, at);
  while (at < bytes.length && !endsLiteral(bytes[at])) at++;
  return at;
}

/** First place from `at` on that holds none of JSON's four blanks. */
export function skipBlanks(bytes: Uint8Array, at: number): number {
  while (at < bytes.length && isBlank(bytes[at])) at++;
  return at;
}

function skipContainer(bytes: Uint8Array, at: number): number {
  for (let depth = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) at = skipString(bytes, at) - 1;
    else if (byte === openBrace || byte === openBracket) depth++;
    else if ((byte === closeBrace || byte === closeBracket) && --depth === 0) return at + 1;
  }
  return at;
}

function skipString(bytes: Uint8Array, at: number): number {
  for (at++; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) return at + 1;
    if (byte === backslash) at++;
  }
  return at;
}

function stringAt(bytes: Uint8Array, start: number, end: number): string {
  const inner = bytes.subarray(start + 1, end - 1);
  if (inner.indexOf(backslash) < 0) return decoder.decode(inner);
  return JSON.parse(decoder.decode(bytes.subarray(start, end)));
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function endsLiteral(byte: number): boolean {
  return byte === comma || byte === closeBrace || byte === closeBracket || isBlank(byte);
}
