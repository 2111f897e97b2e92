/**
 * Identities in a catalog, for who knows them by their keys.
 * @module
 */

import type { IdentityMemo } from "../../src/base/identity.ts";
import { digestWords, IdentityHash } from "../../src/base/identity_hash.ts";
import type { CatalogReader } from "../../src/index/catalog_reader.ts";

type Digested = Pick<CatalogReader, "identitySecret">;

/** The digest of a key as `identityKey` makes it. */
export function digestOf(catalog: Digested, key: string): Int32Array {
  const digest = new Int32Array(digestWords);
  new IdentityHash(catalog.identitySecret()).digestKey(key, digest);
  return digest;
}

/** The digest that begins at word `at`, as text. */
export function hexOf(digests: Int32Array, at = 0): string {
  return [...digests.subarray(at, at + digestWords)].map((word) => (word >>> 0).toString(16).padStart(8, "0"))
    .join("");
}

/** The digests of these keys, in their order. */
export function hexesOf(catalog: Digested, keys: readonly string[]): string[] {
  return keys.map((key) => hexOf(digestOf(catalog, key)));
}

/** What the catalog remembers of an identity. */
export function storedIdentity(
  catalog: Pick<CatalogReader, "identity"> & Digested,
  key: string,
): IdentityMemo | undefined {
  return catalog.identity(digestOf(catalog, key), 0);
}

/** Every digest that the catalog holds, in its order. */
export function storedDigests(catalog: Pick<CatalogReader, "identityDigests">): string[] {
  return [...catalog.identityDigests()].flatMap((words) =>
    Array.from({ length: words.length / digestWords }, (_, i) => hexOf(words, i * digestWords))
  );
}
