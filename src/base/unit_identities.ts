/**
 * The identities of a unit's records: numbers and references side by side, because an object for each row costs
 * more than all the rest that is done with it (measured, `bench/micro/identities.ts`).
 * @module
 */

import type { Identity, IdentityMemo } from "./identity.ts";
import { digestWords, type IdentityHash } from "./identity_hash.ts";

/** An identity whose id stands in its record, as UTF-8 that needs no escapes. */
export interface WrittenIdentity {
  /** See `identityOwner`. */
  readonly owner: string;
  /** Index of the row in its body. */
  readonly row: number;
  readonly memo: IdentityMemo;
  /** Bytes from the start of the record to the id. */
  readonly at: number;
  /** Bytes of the id. */
  readonly length: number;
}

/** Where the records of a unit lie. */
export interface RecordBytes {
  readonly starts: readonly number[];
  readonly writer: { view(): Uint8Array };
}

/** Numbers of an identity: its first record, the row, and where the id stands in the record. */
const stride = 4;
const firstCapacity = 16;
const none = -1;
const noNumbers = new Float64Array(0);
const noWords = new Int32Array(0);
const decoder = new TextDecoder();

/**
 * - Identity i came before identity i + 1: its first record lies before, too.
 * - Several records may be of one row and share its identity.
 */
export class UnitIdentities {
  #count = 0;
  #numbers = noNumbers;
  readonly #owners: string[] = [];
  readonly #memos: IdentityMemo[] = [];
  /** Those that somebody made or asked for as objects. */
  readonly #objects: (Identity | undefined)[] = [];
  #known: Map<Identity, number> | undefined;
  /** Number of each record's identity, or -1; shorter than the records where the last ones have none. */
  readonly #ofRecord: number[] = [];
  #digests = noWords;
  #entries = noWords;

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** {@link digestWords} words for each, once {@link digest} was called. */
  get digests(): Int32Array {
    return this.#digests;
  }

  /** For each, the number under which it is reserved, or -1; for who reserves them. */
  get entries(): Int32Array {
    return this.#entries;
  }

  /** Number of the record's identity; -1 when it has none. */
  of(record: number): number {
    return this.#ofRecord[record] ?? none;
  }

  /** Of a unit that is reserved: was the record's row found to be a repeat? */
  isRepeat(record: number): boolean {
    const i = this.of(record);
    return i !== none && this.#entries[i] === none;
  }

  /** The record has this identity; it may share the object with others. */
  add(record: number, identity: Identity): void {
    const known = this.#known?.get(identity);
    if (known !== undefined) return this.#assign(record, known);
    const { row, memo } = identity;
    (this.#known ??= new Map()).set(identity, this.#count);
    this.#objects[this.#count] = identity;
    this.#push(record, { owner: "", row, memo, at: none, length: none });
  }

  /** The record has this identity, which is that of no other record. */
  addWritten(record: number, identity: WrittenIdentity): void {
    this.#push(record, identity);
  }

  memoOf(i: number): IdentityMemo {
    return this.#memos[i];
  }

  /** What the first row with this identity was answered, where that is known. */
  firstOf(i: number): IdentityMemo | undefined {
    return this.#objects[i]?.first;
  }

  /** The numbers of those that {@link firstOf} answers for. */
  get marked(): number[] {
    return [...this.#objects.keys()].filter((i) => this.#objects[i]?.first !== undefined);
  }

  /** Identity i as an object, always the same one. */
  get(i: number, records: RecordBytes): Identity {
    return this.#objects[i] ??= {
      key: this.#keyOf(i, records),
      row: this.#numbers[i * stride + 1],
      memo: this.#memos[i],
    };
  }

  /** Computes the digests, from the records where the ids stand there; forgets the entries. */
  digest(hash: IdentityHash, { starts, writer }: RecordBytes): void {
    const count = this.#count;
    const out = new Int32Array(count * digestWords);
    this.#digests = out;
    this.#entries = new Int32Array(count).fill(none);
    const bytes = writer.view();
    const numbers = this.#numbers;
    for (let i = 0; i < count; i++) {
      const at = numbers[i * stride + 2];
      if (at < 0) {
        hash.digestKey(this.#objects[i]!.key, out, i * digestWords);
        continue;
      }
      const start = starts[numbers[i * stride]] + at;
      const end = start + numbers[i * stride + 3];
      hash.digest(this.#owners[i], { bytes, start, end, out, at: i * digestWords });
    }
  }

  /** Records from number `mark` on are gone. */
  rollback(mark: number): void {
    if (this.#ofRecord.length > mark) this.#ofRecord.length = mark;
    while (this.#count > 0 && this.#numbers[(this.#count - 1) * stride] >= mark) {
      const object = this.#objects[--this.#count];
      if (object !== undefined) this.#known?.delete(object);
    }
    this.#owners.length = this.#memos.length = this.#count;
    if (this.#objects.length > this.#count) this.#objects.length = this.#count;
  }

  /** Record `from` becomes record `to`, which is not after it. Records are moved in order. */
  move(from: number, to: number): void {
    const i = this.of(from);
    if (to >= this.#ofRecord.length && i === none) return;
    this.#ofRecord[to] = i;
    if (i !== none && this.#numbers[i * stride] === from) this.#numbers[i * stride] = to;
  }

  /** Records from number `count` on were moved or dropped; the identities of dropped ones are kept. */
  truncate(count: number): void {
    if (this.#ofRecord.length > count) this.#ofRecord.length = count;
  }

  #keyOf(i: number, { starts, writer }: RecordBytes): string {
    const record = this.#numbers[i * stride];
    const start = starts[record] + this.#numbers[i * stride + 2];
    const id = writer.view().subarray(start, start + this.#numbers[i * stride + 3]);
    return this.#owners[i] + decoder.decode(id);
  }

  #push(record: number, { owner, row, memo, at, length }: WrittenIdentity): void {
    const i = this.#count++;
    if (this.#numbers.length < this.#count * stride) this.#grow();
    const numbers = this.#numbers;
    numbers[i * stride] = record;
    numbers[i * stride + 1] = row;
    numbers[i * stride + 2] = at;
    numbers[i * stride + 3] = length;
    this.#owners.push(owner);
    this.#memos.push(memo);
    this.#assign(record, i);
  }

  #assign(record: number, i: number): void {
    while (this.#ofRecord.length < record) this.#ofRecord.push(none);
    this.#ofRecord[record] = i;
  }

  #grow(): void {
    const grown = new Float64Array(Math.max(firstCapacity * stride, this.#numbers.length * 2));
    grown.set(this.#numbers);
    this.#numbers = grown;
  }
}
