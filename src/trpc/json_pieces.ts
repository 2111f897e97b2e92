/**
 * JSON text cut into its members without being written anew: what is moved keeps its digits, its order and its
 * escapes.
 * @module
 */

/** A value together with the text it was read from. */
export interface Piece {
  /** Without white space around it. */
  readonly text: string;
  readonly value: unknown;
}

/**
 * Reads a text as one value.
 * @throws SyntaxError when it is not JSON
 */
export function readPiece(text: string): Piece {
  return { text: text.trim(), value: JSON.parse(text) };
}

/** A JSON object: not null, not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Members of an object by key, or of an array by position. Of a key that stands twice the last one counts. */
export function membersOf({ text, value }: Piece): Map<string, Piece> {
  const members = new Map<string, Piece>();
  const owner = value as Record<string, unknown>;
  const isList = Array.isArray(value);
  let at = skipSpace(text, 1);
  for (let position = 0; at < text.length - 1; position++) {
    let key = String(position);
    if (!isList) {
      const keyEnd = valueEnd(text, at);
      key = JSON.parse(text.slice(at, keyEnd));
      at = skipSpace(text, skipSpace(text, keyEnd) + 1);
    }
    const end = valueEnd(text, at);
    members.set(key, { text: text.slice(at, end), value: owner[key] });
    at = skipSpace(text, skipSpace(text, end) + 1);
  }
  return members;
}

/** Members put together as an object, in this order. */
export function objectText(members: Iterable<readonly [string, string]>): string {
  return `{${Array.from(members, ([key, text]) => `${JSON.stringify(key)}:${text}`).join(",")}}`;
}

/** Position after the value that begins at `at`; the text is known to be well-formed. */
function valueEnd(text: string, at: number): number {
  if (text[at] === '"') return stringEnd(text, at);
  let depth = 0;
  for (;; at++) {
    const char = text[at];
    if (char === '"') at = stringEnd(text, at) - 1;
    else if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") {
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (at >= text.length || char === "," || isSpace(char))) return at;
  }
}

function stringEnd(text: string, at: number): number {
  for (let quote = text.indexOf('"', at + 1);; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text[quote - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return quote + 1;
  }
}

function skipSpace(text: string, at: number): number {
  while (isSpace(text[at])) at++;
  return at;
}

function isSpace(char: string): boolean {
  return char === " " || char === "\n" || char === "\r" || char === "\t";
}
