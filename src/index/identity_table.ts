/**
 * Identities by their digests, in typed arrays: 34 bytes and what the memo takes, where an entry of a `Map` of texts
 * takes more than 120 (measured, `bench/micro/identities.ts`).
 * @module
 */

import type { IdentityMemo } from "../base/identity.ts";
import { digestWords } from "../base/identity_hash.ts";
import { deletedTag, entryStride, type IdentityPage, pageBits, placedBit } from "./identity_page.ts";

/** The slots are split so that no part is so large that its growth is felt. A power of two. */
const shardCount = 64;
const leastSlots = 8;
/** Share of the slots that may be taken, and how much a shard grows past it. */
const maxLoad = 0.75;
const growth = 1.5;
const pageEntries = 1 << pageBits;
/** Entries that a page has room for at first. */
const firstEntries = 64;
/** What a memo costs besides its characters: two texts, an object, two entries of a `Map`. */
const memoBytes = 250;
/** Numbers of a slot: the first word of the digest, and the number of the entry plus 1. */
const slotStride = 2;
/** In the place of an entry's number. */
const emptySlot = 0;
const deletedSlot = -1;
/** Entries whose slots are read before the first of them is put. */
const stretch = 64;

/** Digests that are to be added, four words each, and who is told the numbers of their entries. */
export interface NewIdentities {
  readonly digests: Int32Array;
  readonly entries: Int32Array;
  memoOf(i: number): IdentityMemo;
}

/** No entry has this number. */
export const noEntry = -1;

/**
 * Digests to memos. A digest is four words of an array, from number `at` on.
 *
 * A slot has the first word of its digest, and slots are in the order of these words, but for collisions: so a shard
 * grows in one walk from its first slot to its last, without a look at the entries, which lie anywhere.
 */
export class IdentityTable {
  readonly #pages: IdentityPage[] = [];
  /** Open addressing, and an entry stays where it is until the shard grows. */
  readonly #shards: Int32Array[];
  /** Slots that are taken, also by deleted entries, and how many may be. */
  readonly #taken = new Int32Array(shardCount);
  readonly #mayTake = new Int32Array(shardCount);
  /** Memos of the last page, by object and by content. */
  #memoNumbers = new Map<IdentityMemo | string, number>();
  #entries = 0;
  #count = 0;
  #memoBytes = 0;
  #slots = 0;
  /** Entries that the pages have room for. */
  #room = 0;
  /** Kept, so that the reading is not left out. */
  #fetched = 0;

  /** @param expected Identities that there is room for before it grows. */
  constructor(expected = 0) {
    // A little more, because shards do not fill evenly.
    const slots = Math.max(leastSlots, Math.ceil(1.05 * expected / shardCount / maxLoad));
    this.#shards = Array.from({ length: shardCount }, () => this.#newShard(slots));
    this.#mayTake.fill(Math.floor(slots * maxLoad));
  }

  /** How many are in it. */
  get count(): number {
    return this.#count;
  }

  /** Estimated memory. */
  get bytes(): number {
    return this.#room * entryStride * 4 + this.#slots * slotStride * 4 + this.#memoBytes;
  }

  /** Everything, as plain data; deleted ones, too. */
  get pages(): readonly IdentityPage[] {
    return this.#pages;
  }

  /** The number of the entry with this digest, or {@link noEntry}. */
  find(digests: Int32Array, at: number): number {
    const shard = this.#shards[digests[at + 1] & (shardCount - 1)];
    const slot = this.#slotOf(shard, digests, at);
    return slot < 0 ? noEntry : shard[slot + 1] - 1;
  }

  /** Adds a digest that is not there; returns the number of its entry. */
  add(digests: Int32Array, at: number, memo: IdentityMemo): number {
    const entry = this.#append(digests, at, memo);
    this.#index(digests[at], digests[at + 1], entry);
    return entry;
  }

  /** Adds those from number `from` on, before `to`; none of them is there. */
  addAll(some: NewIdentities, from: number, to: number): void {
    const { digests, entries } = some;
    for (let begin = from; begin < to; begin += stretch) {
      const end = Math.min(begin + stretch, to);
      this.#fetched = this.#fetch(digests, begin, end);
      for (let i = begin, at = begin * digestWords; i < end; i++, at += digestWords) {
        entries[i] = this.add(digests, at, some.memoOf(i));
      }
    }
  }

  memoOf(entry: number): IdentityMemo {
    return this.#pages[entry >>> pageBits].memos[this.#tagOf(entry) & ~placedBit];
  }

  /** The entry's row is in the journal. */
  place(entry: number): void {
    this.#pages[entry >>> pageBits].numbers[(entry & (pageEntries - 1)) * entryStride + 4] |= placedBit;
  }

  /** These entries' rows are in the journal; {@link noEntry} stands for none. */
  placeAll(entries: Int32Array): void {
    for (const entry of entries) {
      if (entry === noEntry) continue;
      const { numbers } = this.#pages[entry >>> pageBits];
      numbers[(entry & (pageEntries - 1)) * entryStride + entryStride - 1] |= placedBit;
    }
  }

  /** Forgets a digest, if it is there. */
  delete(digests: Int32Array, at: number): void {
    const shard = this.#shards[digests[at + 1] & (shardCount - 1)];
    const slot = this.#slotOf(shard, digests, at);
    if (slot < 0) return;
    const entry = shard[slot + 1] - 1;
    this.#pages[entry >>> pageBits].numbers[(entry & (pageEntries - 1)) * entryStride + 4] = deletedTag;
    shard[slot + 1] = deletedSlot;
    this.#count--;
  }

  /** Adds what the other table has and this one has not; placed is what is placed in either. */
  merge(other: IdentityTable): void {
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

  /** Where in the shard the digest's slot begins; -1 when it is not there. */
  #slotOf(shard: Int32Array, digests: Int32Array, at: number): number {
    const w0 = digests[at], w1 = digests[at + 1], w2 = digests[at + 2], w3 = digests[at + 3];
    for (let slot = firstSlot(w0, shard.length);;) {
      const value = shard[slot + 1];
      if (value === emptySlot) return -1;
      if (shard[slot] === w0 && value !== deletedSlot) {
        const { numbers } = this.#pages[(value - 1) >>> pageBits];
        const i = ((value - 1) & (pageEntries - 1)) * entryStride;
        if (numbers[i + 1] === w1 && numbers[i + 2] === w2 && numbers[i + 3] === w3) return slot;
      }
      if ((slot += slotStride) === shard.length) slot = 0;
    }
  }

  #tagOf(entry: number): number {
    return this.#pages[entry >>> pageBits].numbers[(entry & (pageEntries - 1)) * entryStride + 4];
  }

  #append(digests: Int32Array, at: number, memo: IdentityMemo): number {
    const entry = this.#entries++;
    const page = this.#pages[entry >>> pageBits] ?? this.#newPage();
    const i = (entry & (pageEntries - 1)) * entryStride;
    if (i === page.numbers.length) this.#growPage(page);
    const { numbers } = page;
    numbers[i] = digests[at];
    numbers[i + 1] = digests[at + 1];
    numbers[i + 2] = digests[at + 2];
    numbers[i + 3] = digests[at + 3];
    numbers[i + 4] = this.#numberOf(memo, page);
    page.count++;
    this.#count++;
    return entry;
  }

  #newPage(): IdentityPage {
    // A table that has filled a page is likely to fill the next one.
    const room = this.#pages.length === 0 ? firstEntries : pageEntries;
    const page = { numbers: new Int32Array(room * entryStride), memos: [], count: 0 };
    this.#room += room;
    this.#pages.push(page);
    this.#memoNumbers = new Map();
    return page;
  }

  #growPage(page: IdentityPage): void {
    const numbers = new Int32Array(2 * page.numbers.length);
    numbers.set(page.numbers);
    this.#room += page.count;
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

  /** Reads where the entries are to be put: the memory answers many such questions at a time. */
  #fetch(digests: Int32Array, from: number, to: number): number {
    let any = 0;
    for (let at = from * digestWords; at < to * digestWords; at += digestWords) {
      const shard = this.#shards[digests[at + 1] & (shardCount - 1)];
      any |= shard[firstSlot(digests[at], shard.length)];
    }
    return any;
  }

  #index(w0: number, w1: number, entry: number): void {
    const number = w1 & (shardCount - 1);
    if (this.#taken[number] >= this.#mayTake[number]) this.#grow(number);
    this.#taken[number]++;
    put(this.#shards[number], w0, entry + 1);
  }

  #grow(number: number): void {
    const before = this.#shards[number];
    this.#slots -= before.length / slotStride;
    const shard = this.#newShard(Math.ceil(before.length / slotStride * growth));
    let taken = 0;
    for (let slot = 0; slot < before.length; slot += slotStride) {
      const value = before[slot + 1];
      if (value === emptySlot || value === deletedSlot) continue;
      put(shard, before[slot], value);
      taken++;
    }
    this.#shards[number] = shard;
    this.#taken[number] = taken;
    this.#mayTake[number] = Math.floor(shard.length / slotStride * maxLoad);
  }

  #newShard(slots: number): Int32Array {
    this.#slots += slots;
    return new Int32Array(slots * slotStride);
  }
}

/** The lowest bits of the second word chose the shard, so the first word is as good as chance within it. */
function firstSlot(w0: number, length: number): number {
  return (((w0 >>> 0) * (length / slotStride / 0x1_0000_0000)) | 0) * slotStride;
}

function put(shard: Int32Array, w0: number, value: number): void {
  let slot = firstSlot(w0, shard.length);
  while (shard[slot + 1] !== emptySlot) if ((slot += slotStride) === shard.length) slot = 0;
  shard[slot] = w0;
  shard[slot + 1] = value;
}
