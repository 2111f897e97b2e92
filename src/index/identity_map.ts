/**
 * Identities and their memos, by a hash that is known already: half the time of a `Map`, which hashes each text
 * once more (measured, `bench/micro/identities.ts`).
 * @module
 */

import type { IdentityMemo } from "../base/record.ts";

/** The map is split so that no part is so large that its growth is felt. A power of two. */
const shardCount = 64;
const shardBits = 6;
const firstCapacity = 16;
const none = -1;
/** What an identity costs besides the characters of its key: the text, its slots in five arrays, the memo. */
const identityBytes = 120;

/** Keys to memos; every key comes with its hash of `hashText`. */
export class IdentityMap {
  readonly #shards = Array.from({ length: shardCount }, () => new Shard());
  #count = 0;
  #bytes = 0;

  get count(): number {
    return this.#count;
  }

  /** Estimated memory. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string, hash: number): IdentityMemo | undefined {
    return this.#shards[hash & (shardCount - 1)].get(key, hash | 0);
  }

  /** The key must not be there. */
  add(key: string, hash: number, memo: IdentityMemo): void {
    this.#shards[hash & (shardCount - 1)].add(key, hash | 0, memo);
    this.#count++;
    this.#bytes += identityBytes + key.length;
  }

  delete(key: string, hash: number): void {
    if (!this.#shards[hash & (shardCount - 1)].delete(key, hash | 0)) return;
    this.#count--;
    this.#bytes -= identityBytes + key.length;
  }

  /** Adds what the other map has and this one has not. */
  addAll(other: IdentityMap): void {
    other.#shards.forEach((shard, i) => {
      for (const { key, hash, memo } of shard.entries()) {
        if (this.#shards[i].get(key, hash) === undefined) this.add(key, hash, memo);
      }
    });
  }

  /** Every key, also of those that come while the walk is on; some of these may be left out. */
  *keys(): Generator<string, void, undefined> {
    for (const shard of this.#shards) for (const { key } of shard.entries()) yield key;
  }
}

/** Entries in the order in which they came, chained by bucket. A deleted one leaves a gap. */
class Shard {
  readonly #keys: (string | undefined)[] = [];
  readonly #memos: (IdentityMemo | undefined)[] = [];
  #hashes = new Int32Array(firstCapacity);
  #next = new Int32Array(firstCapacity);
  #buckets = new Int32Array(firstCapacity).fill(none);

  get(key: string, hash: number): IdentityMemo | undefined {
    const entry = this.#find(key, hash);
    return entry === none ? undefined : this.#memos[entry];
  }

  add(key: string, hash: number, memo: IdentityMemo): void {
    const entry = this.#keys.length;
    if (entry === this.#hashes.length) this.#grow();
    this.#keys.push(key);
    this.#memos.push(memo);
    this.#hashes[entry] = hash;
    this.#chain(entry, hash);
  }

  delete(key: string, hash: number): boolean {
    const entry = this.#find(key, hash);
    if (entry === none) return false;
    // It stays in its chain, where nothing finds it.
    this.#keys[entry] = this.#memos[entry] = undefined;
    return true;
  }

  *entries(): Generator<{ key: string; hash: number; memo: IdentityMemo }, void, undefined> {
    for (let entry = 0; entry < this.#keys.length; entry++) {
      const key = this.#keys[entry];
      if (key !== undefined) yield { key, hash: this.#hashes[entry], memo: this.#memos[entry]! };
    }
  }

  #find(key: string, hash: number): number {
    let entry = this.#buckets[this.#bucketOf(hash)];
    while (entry !== none && (this.#hashes[entry] !== hash || this.#keys[entry] !== key)) {
      entry = this.#next[entry];
    }
    return entry;
  }

  /** The lowest bits chose the shard. */
  #bucketOf(hash: number): number {
    return (hash >>> shardBits) & (this.#buckets.length - 1);
  }

  #chain(entry: number, hash: number): void {
    const bucket = this.#bucketOf(hash);
    this.#next[entry] = this.#buckets[bucket];
    this.#buckets[bucket] = entry;
  }

  #grow(): void {
    const capacity = this.#hashes.length * 2;
    const hashes = new Int32Array(capacity);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    this.#next = new Int32Array(capacity);
    this.#buckets = new Int32Array(capacity).fill(none);
    for (let entry = 0; entry < this.#keys.length; entry++) this.#chain(entry, hashes[entry]);
  }
}
