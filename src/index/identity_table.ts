/**
 * Identities by their digests, in typed arrays: 26 bytes and what the memo takes, where an entry of a `Map` of texts
 * takes more than 120 (measured, `bench/micro/identities.ts`).
 * @module
 */

import type { IdentityMemo } from "../base/identity.ts";
import { deletedTag, entryStride, type IdentityPage, pageBits, placedBit } from "./identity_page.ts";

/** The slots are split so that no part is so large that its growth is felt. A power of two. */
const shardCount = 64;
const firstSlots = 8;
/** Share of the slots that may be taken, and how much a shard grows past it. */
const maxLoad = 0.8;
const growth = 1.5;
const pageEntries = 1 << pageBits;
/** Entries that a page has room for at first. */
const firstEntries = 64;
/** What a memo costs besides its characters: two texts, an object, two entries of a `Map`. */
const memoBytes = 250;
const slotBytes = 4;

/** No entry has this number. */
export const noEntry = -1;

/** Digests to memos. A digest is four words of an array, from number `at` on. */
export class IdentityTable {
  readonly #pages: IdentityPage[] = [];
  /** Number of an entry plus 1, or 0: open addressing, and an entry stays where it is until the shard grows. */
  readonly #shards: Int32Array[] = Array.from({ length: shardCount }, () => new Int32Array(firstSlots));
  /** Slots that are taken, also by deleted entries. */
  readonly #taken = new Int32Array(shardCount);
  /** Memos of the last page, by object and by content. */
  #memoNumbers = new Map<IdentityMemo | string, number>();
  #entries = 0;
  #count = 0;
  #memoBytes = 0;
  #slots = shardCount * firstSlots;
  /** Entries that the pages have room for. */
  #room = 0;

  /** How many are in it. */
  get count(): number {
    return this.#count;
  }

  /** Estimated memory. */
  get bytes(): number {
    return this.#room * entryStride * 4 + this.#slots * slotBytes + this.#memoBytes;
  }

  /** Everything, as plain data; deleted ones, too. */
  get pages(): readonly IdentityPage[] {
    return this.#pages;
  }

  /** The number of the entry with this digest, or {@link noEntry}. */
  find(digests: Int32Array, at: number): number {
    const w0 = digests[at], w1 = digests[at + 1], w2 = digests[at + 2], w3 = digests[at + 3];
    const slots = this.#shards[w1 & (shardCount - 1)];
    for (let slot = firstSlot(w0, slots.length);;) {
      const entry = slots[slot] - 1;
      if (entry < 0) return noEntry;
      const { numbers } = this.#pages[entry >>> pageBits];
      const i = (entry & (pageEntries - 1)) * entryStride;
      const isSame = numbers[i] === w0 && numbers[i + 1] === w1 && numbers[i + 2] === w2 &&
        numbers[i + 3] === w3;
      if (isSame && numbers[i + 4] !== deletedTag) return entry;
      if (++slot === slots.length) slot = 0;
    }
  }

  /** Adds a digest that is not there; returns the number of its entry. */
  add(digests: Int32Array, at: number, memo: IdentityMemo): number {
    const entry = this.#entries++;
    const page = this.#pageOf(entry);
    const i = (entry & (pageEntries - 1)) * entryStride;
    if (i === page.numbers.length) this.#growPage(page);
    for (let word = 0; word < entryStride - 1; word++) page.numbers[i + word] = digests[at + word];
    page.numbers[i + entryStride - 1] = this.#numberOf(memo, page);
    page.count++;
    this.#count++;
    this.#index(digests[at], digests[at + 1], entry);
    return entry;
  }

  memoOf(entry: number): IdentityMemo {
    return this.#pages[entry >>> pageBits].memos[this.#tagOf(entry) & ~placedBit];
  }

  /** The entry's row is in the journal. */
  place(entry: number): void {
    this.#pages[entry >>> pageBits].numbers[(entry & (pageEntries - 1)) * entryStride + 4] |= placedBit;
  }

  /** Forgets a digest, if it is there. */
  delete(digests: Int32Array, at: number): void {
    const entry = this.find(digests, at);
    if (entry === noEntry) return;
    this.#pages[entry >>> pageBits].numbers[(entry & (pageEntries - 1)) * entryStride + 4] = deletedTag;
    this.#count--;
  }

  /** Adds what the other table has and this one has not; placed is what is placed in either. */
  addAll(other: IdentityTable): void {
    for (const page of other.#pages) {
      for (let at = 0; at < page.count * entryStride; at += entryStride) {
        const tag = page.numbers[at + entryStride - 1];
        if (tag === deletedTag) continue;
        let entry = this.find(page.numbers, at);
        if (entry === noEntry) entry = this.add(page.numbers, at, page.memos[tag & ~placedBit]);
        if ((tag & placedBit) !== 0) this.place(entry);
      }
    }
  }

  #tagOf(entry: number): number {
    return this.#pages[entry >>> pageBits].numbers[(entry & (pageEntries - 1)) * entryStride + 4];
  }

  #pageOf(entry: number): IdentityPage {
    const known = this.#pages[entry >>> pageBits];
    if (known !== undefined) return known;
    const page = { numbers: new Int32Array(0), memos: [], count: 0 };
    this.#pages.push(page);
    this.#memoNumbers = new Map();
    return page;
  }

  #growPage(page: IdentityPage): void {
    const room = Math.max(firstEntries, 2 * page.count);
    const numbers = new Int32Array(room * entryStride);
    numbers.set(page.numbers);
    this.#room += room - page.count;
    page.numbers = numbers;
  }

  /** Rows of one device share a memo, mostly also the object. */
  #numberOf(memo: IdentityMemo, { memos }: IdentityPage): number {
    const known = this.#memoNumbers.get(memo);
    if (known !== undefined) return known;
    const { deviceId, sessionId } = memo;
    const text = `${deviceId.length}:${deviceId}${sessionId}`;
    let number = this.#memoNumbers.get(text);
    if (number === undefined) {
      number = memos.push(memo) - 1;
      this.#memoNumbers.set(text, number).set(memo, number);
      this.#memoBytes += memoBytes + 2 * text.length;
    }
    return number;
  }

  #index(w0: number, w1: number, entry: number): void {
    const shard = w1 & (shardCount - 1);
    if (this.#taken[shard] >= this.#shards[shard].length * maxLoad) this.#grow(shard);
    this.#taken[shard]++;
    put(this.#shards[shard], w0, entry + 1);
  }

  #grow(shard: number): void {
    const before = this.#shards[shard];
    const slots = new Int32Array(Math.ceil(before.length * growth));
    let taken = 0;
    for (const value of before) {
      const entry = value - 1;
      if (entry < 0 || this.#tagOf(entry) === deletedTag) continue;
      put(slots, this.#pages[entry >>> pageBits].numbers[(entry & (pageEntries - 1)) * entryStride], value);
      taken++;
    }
    this.#shards[shard] = slots;
    this.#taken[shard] = taken;
    this.#slots += slots.length - before.length;
  }
}

/** The lowest bits of the second word chose the shard, so the first word is as good as chance within it. */
function firstSlot(w0: number, slots: number): number {
  return ((w0 >>> 0) * (slots / 0x1_0000_0000)) | 0;
}

function put(slots: Int32Array, w0: number, value: number): void {
  let slot = firstSlot(w0, slots.length);
  while (slots[slot] !== 0) if (++slot === slots.length) slot = 0;
  slots[slot] = value;
}
