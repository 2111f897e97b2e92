/**
 * Pages whose URL needs no parser: what stands in it is what the parser would give back.
 * @module
 */

const slash = 0x2f, question = 0x3f, hash = 0x23, dot = 0x2e, hyphen = 0x2d;

/** Classes of bytes: bits of {@link classes}. */
const inHost = 1, inPath = 2, inQuery = 4, isLetter = 8;
const classes = classTable();

const https = bytesOf("https://");
const http = bytesOf("http://");
const pathName = bytesOf(',"path":"');
const originName = bytesOf(',"origin":"');
const queryName = bytesOf(',"query":"');
const hashName = bytesOf(',"hash":"');

/**
 * Cuts a plain URL or path into columns.
 *
 * Plain is: `http://` or `https://`, a host of lower-case letters, digits, single dots and hyphens whose last label
 * begins with a letter, a path of harmless characters in which no dot follows a slash, then perhaps a query and a
 * hash of harmless characters; no query that may name where the visitor comes from. Also: a path that begins with one slash, of any characters. Everything else must be
 * read by a URL parser.
 */
export class PlainPage {
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  /** Ends of origin, path, query and hash; each begins where the one before ends. */
  #originEnd = 0;
  #pathEnd = 0;
  #queryEnd = 0;
  #end = 0;

  /** @returns whether `bytes[start, end)`, a JSON text without escapes, is plain; then {@link write} may be called. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    this.#bytes = bytes;
    this.#start = this.#originEnd = start;
    this.#pathEnd = this.#queryEnd = this.#end = end;
    if (bytes[start] === slash) return true;
    const host = this.#afterScheme(start, end);
    if (host < 0) return false;
    const path = this.#afterHost(host, end);
    if (path < 0) return false;
    let at = path;
    for (; at < end; at++) {
      const byte = bytes[at];
      if (byte === question || byte === hash) break;
      if ((classes[byte] & inPath) === 0 || (byte === dot && bytes[at - 1] === slash)) return false;
    }
    this.#originEnd = path;
    this.#pathEnd = at;
    if (bytes[at] === question && at < end) at = this.#afterPlain(at + 1, end);
    this.#queryEnd = at;
    if (at < end && bytes[at] === hash) at = this.#afterPlain(at + 1, end);
    if (this.#mayNameSource()) return false;
    // A lone `?` or `#` is no query and no hash.
    return at === end && this.#queryEnd - this.#pathEnd !== 1 && end - this.#queryEnd !== 1;
  }

  /**
   * Writes the columns as JSON members, each with a leading comma; needs up to 64 bytes more than the URL has.
   * @returns where they end
   */
  write(out: Uint8Array, at: number): number {
    let next = this.#column(out, at, { name: pathName, start: this.#originEnd, end: this.#pathEnd });
    next = this.#column(out, next, { name: originName, start: this.#start, end: this.#originEnd });
    next = this.#column(out, next, { name: queryName, start: this.#pathEnd, end: this.#queryEnd });
    return this.#column(out, next, { name: hashName, start: this.#queryEnd, end: this.#end });
  }

  #column(out: Uint8Array, at: number, of: { name: Uint8Array; start: number; end: number }): number {
    if (of.start === of.end) return at;
    let next = at;
    for (let i = 0; i < of.name.length; i++) out[next++] = of.name[i];
    for (let i = of.start; i < of.end; i++) out[next++] = this.#bytes[i];
    out[next++] = 0x22;
    return next;
  }

  #afterScheme(start: number, end: number): number {
    if (this.#begins(https, start, end)) return start + https.length;
    return this.#begins(http, start, end) ? start + http.length : -1;
  }

  /** Does the query hold `ref` or `utm`, which may name a referrer? */
  #mayNameSource(): boolean {
    const bytes = this.#bytes;
    for (let at = this.#pathEnd + 1; at + 3 < this.#queryEnd; at++) {
      const first = bytes[at];
      if (first === 0x72 && bytes[at + 1] === 0x65 && bytes[at + 2] === 0x66) return true;
      if (first === 0x75 && bytes[at + 1] === 0x74 && bytes[at + 2] === 0x6d) return true;
    }
    return false;
  }

  #begins(text: Uint8Array, start: number, end: number): boolean {
    if (end - start < text.length) return false;
    for (let i = 0; i < text.length; i++) if (this.#bytes[start + i] !== text[i]) return false;
    return true;
  }

  /** Where the host ends and the path begins; -1 when the host is not plain, or no path follows. */
  #afterHost(start: number, end: number): number {
    const bytes = this.#bytes;
    let label = start;
    let at = start;
    for (; at < end && bytes[at] !== slash; at++) {
      if ((classes[bytes[at]] & inHost) === 0) return -1;
      // Two hyphens side by side may be punycode, which a parser checks.
      if (bytes[at] === hyphen && bytes[at + 1] === hyphen) return -1;
      if (bytes[at] !== dot) continue;
      if (at === label) return -1;
      label = at + 1;
    }
    const isPlain = at < end && at > label && (classes[bytes[label]] & isLetter) !== 0;
    return isPlain ? at : -1;
  }

  #afterPlain(start: number, end: number): number {
    let at = start;
    while (at < end && (classes[this.#bytes[at]] & inQuery) !== 0) at++;
    return at;
  }
}

function classTable(): Uint8Array {
  const table = new Uint8Array(256);
  const mark = (text: string, bits: number): void => bytesOf(text).forEach((byte) => table[byte] |= bits);
  mark("abcdefghijklmnopqrstuvwxyz", inHost | inPath | inQuery | isLetter);
  mark("ABCDEFGHIJKLMNOPQRSTUVWXYZ", inPath | inQuery);
  mark("0123456789-.", inHost | inPath | inQuery);
  mark("/_~,;=&+@$!*():", inPath | inQuery);
  mark("?%", inQuery);
  return table;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
