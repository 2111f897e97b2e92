/**
 * Digests of identities with their memos, some thousand together: plain data, as it is posted to the flush worker.
 * @module
 */

import type { IdentityMemo } from "../base/identity.ts";

/** Entries of a page, as a power of two. */
export const pageBits = 12;
/** Numbers of an entry: four words of the digest and a tag. */
export const entryStride = 5;
/** The tag of an entry that was deleted. Any other holds the number of its memo, and maybe {@link placedBit}. */
export const deletedTag = -1;
/** Set in the tag of an entry whose row is in the journal. */
export const placedBit = 0x10000;

/** Entries in the order in which they came. */
export interface IdentityPage {
  /** {@link entryStride} for each entry that is there, or that there is room for. */
  numbers: Int32Array;
  readonly memos: IdentityMemo[];
  /** Entries that are there. */
  count: number;
}

/** Calls back for each entry whose row is in the journal, with the place of its first word in the numbers. */
export function forEachPlaced(page: IdentityPage, found: (at: number, memo: IdentityMemo) => void): void {
  const { numbers, memos, count } = page;
  for (let at = 0; at < count * entryStride; at += entryStride) {
    const tag = numbers[at + entryStride - 1];
    if (tag !== deletedTag && (tag & placedBit) !== 0) found(at, memos[tag & ~placedBit]);
  }
}
