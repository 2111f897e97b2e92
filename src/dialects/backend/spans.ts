/**
 * Where the values of an entry lie in its bytes, so that they can be copied as they were sent.
 * @module
 */

import { JsonMembers, skipBlanks, skipValue } from "../../flush/json_members.ts";
import type { ByteRange } from "../../parse/member.ts";

const comma = 0x2c;
const closeBracket = 0x5d;

/** One value in bytes that are known to be JSON; what lies inside it is looked for when asked, and once. */
export class Span implements ByteRange {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
  #members: Map<string, Span> | undefined;
  #elements: Span[] | undefined;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  /** The member of an object; the last one of that name, as in `JSON.parse`. */
  member(name: string): Span | undefined {
    this.#members ??= this.#findMembers();
    return this.#members.get(name);
  }

  /** Element `i` of an array. */
  element(i: number): Span {
    this.#elements ??= this.#findElements();
    return this.#elements[i];
  }

  /** The bytes of the value; a view. */
  view(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }

  #findMembers(): Map<string, Span> {
    const found = new Map<string, Span>();
    const members = new JsonMembers(this.bytes, this.start);
    while (members.next()) {
      found.set(members.key(), new Span(this.bytes, members.valueStart, members.valueEnd));
    }
    return found;
  }

  #findElements(): Span[] {
    const found: Span[] = [];
    const { bytes } = this;
    let at = skipBlanks(bytes, this.start + 1);
    while (bytes[at] !== closeBracket) {
      const end = skipValue(bytes, at);
      found.push(new Span(bytes, at, end));
      at = skipBlanks(bytes, end);
      if (bytes[at] === comma) at = skipBlanks(bytes, at + 1);
    }
    return found;
  }
}
