/**
 * The common shape of an event, read from its bytes without building a value: checks that the row is JSON and
 * notes where the members lie that a record is made from. What is not the common shape is left to the schema.
 * @module
 */

/** Members that are noted, as places in {@link TrackRowReader.spans}. */
export const Span = {
  name: 0,
  profileId: 2,
  properties: 4,
  timestamp: 6,
  deviceId: 8,
  path: 10,
  referrer: 12,
  insertId: 14,
  rowStart: 16,
  rowEnd: 17,
} as const;

const quote = 0x22, backslash = 0x5c, comma = 0x2c, colon = 0x3a;
const openBrace = 0x7b, closeBrace = 0x7d, openBracket = 0x5b;

const spanCount = 18;
const maxDepth = 32;
/** Brackets open at once in a body whose rows are of the common shape, at the most. */
export const maxCommonDepth = maxDepth + 5;
const notPlain = plainTable();
const keys = keyTable({
  type: "type",
  payload: "payload",
  insertId: "insertId",
  name: "name",
  properties: "properties",
  profileId: "profileId",
  timestamp: "__timestamp",
  deviceId: "__deviceId",
  path: "__path",
  referrer: "__referrer",
  propertyInsertId: "__insertId",
  dollarInsertId: "$insert_id",
});
const trackWord = asciiBytes('"track"');
const trueWord = asciiBytes("true");
const falseWord = asciiBytes("false");
const nullWord = asciiBytes("null");
/** Members that change how a row is treated, in ways that the schema knows and this reader does not. */
const rare = [
  "clientId",
  "clientSecret",
  "messageId",
  "groups",
  "path",
  "referrer",
  "__ip",
  "__identify",
  "__bot",
  "__bot_reasons",
  "__revenue",
  "__os",
  "__osVersion",
  "__browser",
  "__browserVersion",
  "__device",
  "__brand",
  "__model",
]
  .map(asciiBytes);

/**
 * Reads rows `{"type":"track","payload":{"name":..,"properties":{..}, ..}}`.
 *
 * - `#at` is the next byte to be read, always within `#end`.
 * - Every method answers false for "not the common shape"; nothing of the row may be used then.
 */
export class TrackRowReader {
  /**
   * For each member in {@link Span}: start and end of its bytes, both -1 where it is absent. Texts stand without
   * their quotes and hold no escapes; `properties` stands with its braces.
   */
  readonly spans: Int32Array = new Int32Array(spanCount);
  readonly #closers = new Uint8Array(maxDepth);
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #keyStart = 0;
  #keyEnd = 0;
  /** What stood behind a member; 0 where the bytes ended. */
  #last = 0;

  /**
   * Reads one row that begins at `start`.
   * @returns where it ends, at most `end`, and {@link spans} tell its members; -1 when it is not of the common shape
   */
  read(bytes: Uint8Array, start: number, end: number): number {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.spans.fill(-1);
    if (!this.#readRow() || this.spans[Span.name] < 0) return -1;
    this.spans[Span.rowStart] = start;
    this.spans[Span.rowEnd] = this.#at;
    return this.#at;
  }

  #readRow(): boolean {
    if (this.#next() !== openBrace) return false;
    let typed = false;
    let payload = false;
    do {
      if (!this.#readKey()) return false;
      if (this.#keyIs(keys.type)) {
        if (typed || !this.#readTrackWord()) return false;
        typed = true;
      } else if (this.#keyIs(keys.payload)) {
        if (payload || !this.#readPayload()) return false;
        payload = true;
      } else if (this.#keyIs(keys.insertId)) {
        if (!this.#noteText(Span.insertId)) return false;
      } else if (this.#isRareKey() || !this.#skipValue()) return false;
    } while (this.#moreMembers());
    return typed && payload && this.#last === closeBrace;
  }

  #readPayload(): boolean {
    if (this.#next() !== openBrace) return false;
    do {
      if (!this.#readKey()) return false;
      if (this.#keyIs(keys.name)) {
        if (!this.#noteText(Span.name)) return false;
      } else if (this.#keyIs(keys.properties)) {
        if (this.spans[Span.properties] >= 0 || !this.#readProperties()) return false;
      } else if (this.#keyIs(keys.profileId)) {
        if (!this.#noteText(Span.profileId)) return false;
      } else if (this.#isRareKey() || this.#keyIs(keys.insertId) || !this.#skipValue()) return false;
    } while (this.#moreMembers());
    return this.#last === closeBrace;
  }

  #readProperties(): boolean {
    this.#skipSpace();
    const start = this.#at;
    if (this.#next() !== openBrace) return false;
    this.#skipSpace();
    if (this.#bytes[this.#at] === closeBrace) this.#at++;
    else {
      do {
        if (!this.#readKey() || !this.#readProperty()) return false;
      } while (this.#moreMembers());
      if (this.#last !== closeBrace) return false;
    }
    this.spans[Span.properties] = start;
    this.spans[Span.properties + 1] = this.#at;
    return true;
  }

  #readProperty(): boolean {
    const first = this.#bytes[this.#keyStart];
    const special = first === 0x5f || first === 0x24 || first === 0x70 || first === 0x72;
    if (!special) return this.#skipValue();
    if (this.#keyIs(keys.timestamp)) return this.#noteText(Span.timestamp);
    if (this.#keyIs(keys.deviceId)) return this.#noteText(Span.deviceId);
    if (this.#keyIs(keys.path)) return this.#noteText(Span.path);
    if (this.#keyIs(keys.referrer)) return this.#noteText(Span.referrer);
    if (this.#keyIs(keys.propertyInsertId) || this.#keyIs(keys.dollarInsertId)) {
      return this.#noteText(Span.insertId);
    }
    return !this.#isRareKey() && this.#skipValue();
  }

  /** Notes a text that is not empty, holds no escape, and was not noted before. */
  #noteText(span: number): boolean {
    if (this.spans[span] >= 0) return false;
    this.#skipSpace();
    const start = this.#at + 1;
    if (!this.#skipString(false)) return false;
    this.spans[span] = start;
    this.spans[span + 1] = this.#at - 1;
    return this.#at - 1 > start;
  }

  #readTrackWord(): boolean {
    this.#skipSpace();
    const start = this.#at;
    return this.#skipString(false) && this.#same(trackWord, start, this.#at);
  }

  #readKey(): boolean {
    this.#skipSpace();
    this.#keyStart = this.#at + 1;
    if (!this.#skipString(false)) return false;
    this.#keyEnd = this.#at - 1;
    return this.#next() === colon;
  }

  #keyIs(key: Uint8Array): boolean {
    return this.#same(key, this.#keyStart, this.#keyEnd);
  }

  #isRareKey(): boolean {
    for (const key of rare) if (this.#keyIs(key)) return true;
    return false;
  }

  #same(text: Uint8Array, start: number, end: number): boolean {
    if (end - start !== text.length) return false;
    const bytes = this.#bytes;
    for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text[i]) return false;
    return true;
  }

  /** After a member: true past a comma; false past anything else, which the caller must look at in `#last`. */
  #moreMembers(): boolean {
    return (this.#last = this.#next()) === comma;
  }

  /** The next byte that is no white space; 0 at the end. */
  #next(): number {
    this.#skipSpace();
    return this.#at < this.#end ? this.#bytes[this.#at++] : 0;
  }

  /** Line breaks are left to the way that takes them out: a record is one line. */
  #skipSpace(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    while (at < this.#end && (bytes[at] === 0x20 || bytes[at] === 0x09)) at++;
    this.#at = at;
  }

  /** A text with its quotes. Escapes with `u` are left to the schema's path, which looks for lone surrogates. */
  #skipString(mayEscape: boolean): boolean {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#at;
    if (at >= end || bytes[at] !== quote) return false;
    for (at++; at < end; at++) {
      // May run past `end`, into the next row or off the buffer, where undefined is no 0; the check comes after.
      while (notPlain[bytes[at]] === 0) at++;
      if (at >= end) return false;
      if (bytes[at] === quote) {
        this.#at = at + 1;
        return true;
      }
      if (bytes[at] !== backslash || !mayEscape) return false;
      at++;
      if (at >= end || !isShortEscape(bytes[at])) return false;
    }
    return false;
  }

  /** Any JSON value; nested ones without recursion. */
  #skipValue(): boolean {
    const bytes = this.#bytes;
    let depth = 0;
    for (;;) {
      this.#skipSpace();
      if (this.#at >= this.#end) return false;
      const byte = bytes[this.#at];
      if (byte === openBrace || byte === openBracket) {
        if (depth >= maxDepth) return false;
        const closer = byte + 2;
        this.#at++;
        this.#skipSpace();
        if (bytes[this.#at] !== closer || this.#at >= this.#end) {
          this.#closers[depth++] = closer;
          if (closer === closeBrace && !this.#skipKey()) return false;
          continue;
        }
        this.#at++;
      } else if (!this.#skipScalar(byte)) return false;
      for (;;) {
        if (depth === 0) return true;
        const after = this.#next();
        const closer = this.#closers[depth - 1];
        if (after === comma) {
          if (closer === closeBrace && !this.#skipKey()) return false;
          break;
        }
        if (after !== closer) return false;
        depth--;
      }
    }
  }

  #skipKey(): boolean {
    this.#skipSpace();
    return this.#skipString(true) && this.#next() === colon;
  }

  #skipScalar(byte: number): boolean {
    if (byte === quote) return this.#skipString(true);
    if (byte === 0x74) return this.#skipWord(trueWord);
    if (byte === 0x66) return this.#skipWord(falseWord);
    if (byte === 0x6e) return this.#skipWord(nullWord);
    return this.#skipNumber();
  }

  #skipWord(word: Uint8Array): boolean {
    if (this.#at + word.length > this.#end || !this.#same(word, this.#at, this.#at + word.length)) {
      return false;
    }
    this.#at += word.length;
    return true;
  }

  /** A number by RFC 8259, section 6. */
  #skipNumber(): boolean {
    const bytes = this.#bytes;
    if (bytes[this.#at] === 0x2d) this.#at++;
    if (this.#at >= this.#end) return false;
    if (bytes[this.#at] === 0x30) this.#at++;
    else if (!this.#skipDigits()) return false;
    if (this.#at < this.#end && bytes[this.#at] === 0x2e) {
      this.#at++;
      if (!this.#skipDigits()) return false;
    }
    if (this.#at < this.#end && (bytes[this.#at] | 0x20) === 0x65) {
      this.#at++;
      if (this.#at < this.#end && (bytes[this.#at] === 0x2b || bytes[this.#at] === 0x2d)) this.#at++;
      return this.#skipDigits();
    }
    return true;
  }

  #skipDigits(): boolean {
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start;
    while (at < this.#end && bytes[at] >= 0x30 && bytes[at] <= 0x39) at++;
    this.#at = at;
    return at > start;
  }
}

function isShortEscape(byte: number): boolean {
  return byte === quote || byte === backslash || byte === 0x2f || byte === 0x62 || byte === 0x66 ||
    byte === 0x6e ||
    byte === 0x72 || byte === 0x74;
}

/** Bytes that end a plain run within a text: the quote, the backslash, and what JSON forbids there. */
function plainTable(): Uint8Array {
  const table = new Uint8Array(256);
  table.fill(1, 0, 0x20);
  table[quote] = table[backslash] = 1;
  return table;
}

function keyTable<K extends string>(texts: Record<K, string>): Record<K, Uint8Array> {
  return Object.fromEntries(
    Object.entries<string>(texts).map(([key, text]) => [key, asciiBytes(text)]),
  ) as Record<
    K,
    Uint8Array
  >;
}

function asciiBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
