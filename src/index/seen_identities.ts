/**
 * Which rows were stored before, by their identity: what came lately is held in memory, a filter says "never seen"
 * for nearly all that is new, and only for the rest the catalog is asked.
 * @module
 */

import type { IdentityMemo } from "../base/record.ts";
import type { Metrics } from "../base/metrics.ts";
import type { CatalogReader } from "./catalog_reader.ts";
import { IdentityFilter } from "./identity_filter.ts";
import { IdentityMap } from "./identity_map.ts";
import type { IndexSize } from "./row_index.ts";
import { hashText, randomSeed } from "./text_hash.ts";

/** How {@link SeenIdentities} works. */
export interface SeenIdentitiesOptions {
  readonly catalog: CatalogReader;
  readonly metrics: Metrics;
  /** Memory of the filter: 16 MiB hold 11 million identities with about 1% of needless look-ups. */
  readonly filterBytes: number;
}

/** A walk that fills a filter. */
interface Walk {
  readonly filter: IdentityFilter;
  readonly keys: Iterator<string>;
}

/**
 * The identities that are stored, or reserved by a unit on its way to the journal.
 *
 * - Every identity is in one of the generations or in the catalog. It leaves the generations at the commit of the
 *   flush after the one that wrote it, so that who looked before a flush and reserves after it still finds it.
 * - Every identity in a generation is in the filter. Every one in the catalog is, too, once `#walk` came to its end
 *   for the first time; until then the catalog is asked about everything.
 */
export class SeenIdentities {
  readonly #options: SeenIdentitiesOptions;
  #current = new IdentityMap();
  #inFlush: IdentityMap | undefined;
  #written: IdentityMap | undefined;
  readonly #seed = randomSeed();
  #filter: IdentityFilter;
  #walk: Walk | undefined;
  #isFilterComplete = false;
  #addedWhenBuilt = 0;
  readonly #lookups = { recent: 0, filter: 0, catalog: 0 };

  constructor(options: SeenIdentitiesOptions) {
    this.#options = options;
    this.#filter = new IdentityFilter(options.filterBytes);
    this.#walk = { filter: this.#filter, keys: options.catalog.identityKeys()[Symbol.iterator]() };
  }

  /** What the first row with this identity was answered; undefined when there was none. */
  find(key: string): IdentityMemo | undefined {
    const hash = this.#hash(key);
    return this.#find(key, hash, this.#filter.mayHold(hash));
  }

  /** Takes the identity, unless another row has it: then that one's memo is returned, and nothing changes. */
  reserve(key: string, memo: IdentityMemo): IdentityMemo | undefined {
    const hash = this.#hash(key);
    const first = this.#find(key, hash, this.#add(hash));
    if (first === undefined) this.#current.add(key, hash, memo);
    return first;
  }

  /** Gives an identity back: its row was not stored. */
  release(key: string): void {
    const hash = this.#hash(key);
    this.#current.delete(key, hash);
    this.#inFlush?.delete(key, hash);
    this.#written?.delete(key, hash);
  }

  /** Remembers an identity that is not decided here: it was read back from the journal, or a plan must not take it. */
  keep(key: string, memo: IdentityMemo): void {
    const hash = this.#hash(key);
    this.#add(hash);
    if (this.#current.get(key, hash) === undefined) this.#current.add(key, hash, memo);
  }

  /** A flush writes what was placed so far. */
  plan(): void {
    this.#inFlush = this.#current;
    this.#current = new IdentityMap();
  }

  committed(): void {
    this.#written = this.#inFlush;
    this.#inFlush = undefined;
    this.#renewFilter();
  }

  failed(): void {
    if (this.#inFlush === undefined) return;
    const [small, large] = this.#inFlush.count < this.#current.count
      ? [this.#inFlush, this.#current]
      : [this.#current, this.#inFlush];
    large.addAll(small);
    this.#current = large;
    this.#inFlush = undefined;
  }

  /**
   * Reads up to `keys` further identities into the filter. To be called after start and after each flush, with
   * pauses, until it returns true.
   *
   * @throws what the catalog throws; the next call begins anew
   */
  warmUp(keys: number): boolean {
    for (let i = 0; i < keys && this.#walk; i++) {
      const next = this.#nextKey(this.#walk);
      if (next !== undefined) this.#walk.filter.add(this.#hash(next));
      else this.#finishWalk(this.#walk);
    }
    return this.#walk === undefined;
  }

  /** Adds the look-ups since the last call to the metrics: one call for each unit, not for each row. */
  countLookups(): void {
    const counter = this.#options.metrics.counter("weir_identity_lookups_total");
    for (const by of ["recent", "filter", "catalog"] as const) {
      if (this.#lookups[by] > 0) counter.inc({ by }, this.#lookups[by]);
      this.#lookups[by] = 0;
    }
  }

  size(): IndexSize {
    const size = { entries: 0, bytes: 0 };
    for (const generation of [this.#current, this.#inFlush, this.#written]) {
      size.entries += generation?.count ?? 0;
      size.bytes += generation?.bytes ?? 0;
    }
    return size;
  }

  /** Of the filter, or of both while it is renewed. */
  filterSize(): IndexSize {
    const walked = this.#walk && this.#walk.filter !== this.#filter ? this.#walk.filter.bytes : 0;
    return { entries: this.#filter.added, bytes: this.#filter.bytes + walked };
  }

  #hash(key: string): number {
    return hashText(key, this.#seed);
  }

  #find(key: string, hash: number, mayBeKnown: boolean): IdentityMemo | undefined {
    if (mayBeKnown) {
      const recent = this.#current.get(key, hash) ?? this.#inFlush?.get(key, hash) ??
        this.#written?.get(key, hash);
      if (recent !== undefined) {
        this.#lookups.recent++;
        return recent;
      }
    } else if (this.#isFilterComplete) {
      this.#lookups.filter++;
      return undefined;
    }
    this.#lookups.catalog++;
    return this.#options.catalog.identity(key);
  }

  #add(hash: number): boolean {
    const walked = this.#walk?.filter;
    if (walked && walked !== this.#filter) walked.add(hash);
    return this.#filter.add(hash);
  }

  /** Expired identities stay in a filter, so one that became too full is filled anew with what is left. */
  #renewFilter(): void {
    const { added, capacity } = this.#filter;
    if (this.#walk || added < capacity || added < 2 * this.#addedWhenBuilt) return;
    this.#beginWalk();
  }

  #beginWalk(): void {
    const generations = [this.#current, this.#inFlush, this.#written].filter((each) => each !== undefined);
    this.#walk = {
      filter: this.#isFilterComplete ? new IdentityFilter(this.#options.filterBytes) : this.#filter,
      keys: everyKey(generations, this.#options.catalog),
    };
  }

  #nextKey(walk: Walk): string | undefined {
    try {
      const next = walk.keys.next();
      return next.done ? undefined : next.value;
    } catch (error) {
      // A generator that threw says "done" from then on, which must not be taken for the end of all identities.
      this.#beginWalk();
      throw error;
    }
  }

  #finishWalk(walk: Walk): void {
    this.#filter = walk.filter;
    this.#addedWhenBuilt = walk.filter.added;
    this.#isFilterComplete = true;
    this.#walk = undefined;
  }
}

function* everyKey(generations: readonly IdentityMap[], catalog: CatalogReader): Generator<string> {
  for (const generation of generations) yield* generation.keys();
  yield* catalog.identityKeys();
}
