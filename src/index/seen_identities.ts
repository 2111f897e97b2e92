/**
 * Which rows were stored before, by their identity: what came lately is held in memory, a filter says "never seen"
 * for nearly all that is new, and only for the rest the catalog is asked.
 * @module
 */

import type { Identity, IdentityMemo } from "../base/identity.ts";
import { digestWords, IdentityHash } from "../base/identity_hash.ts";
import type { Metrics } from "../base/metrics.ts";
import type { Unit } from "../base/record.ts";
import type { UnitIdentities } from "../base/unit_identities.ts";
import type { CatalogReader } from "./catalog_reader.ts";
import { type DigestRun, IdentityFilter } from "./identity_filter.ts";
import { entryStride, type IdentityPage } from "./identity_page.ts";
import { IdentityTable, noEntry } from "./identity_table.ts";
import type { IndexSize } from "./row_index.ts";

/** How {@link SeenIdentities} works. */
export interface SeenIdentitiesOptions {
  readonly catalog: CatalogReader;
  readonly metrics: Metrics;
  /** Memory of the filter: 16 MiB hold 11 million identities with about 1% of needless look-ups. */
  readonly filterBytes: number;
}

/** A generation is made for as many identities as came to the one before, and for no more than these. */
const maxExpected = 1_000_000;

/** A walk that fills a filter. */
interface Walk {
  readonly filter: IdentityFilter;
  readonly runs: Iterator<DigestRun>;
}

/**
 * The identities that are stored, or reserved by a unit on its way to the journal.
 *
 * - Every identity is in one of the generations or in the catalog. It leaves the generations at the commit of the
 *   flush after the one that wrote it, so that who looked before a flush and reserves after it still finds it.
 * - Every identity in a generation is in the filter. Every one in the catalog is, too, once `#walk` came to its end
 *   for the first time; until then the catalog is asked about everything.
 * - The entries that a unit on its way holds are numbers of `#current`; whatever moves entries to another generation
 *   is followed by {@link SeenIdentities.carry} for each such unit.
 */
export class SeenIdentities {
  readonly #options: SeenIdentitiesOptions;
  readonly #hash: IdentityHash;
  readonly #digest = new Int32Array(digestWords);
  #current = new IdentityTable();
  #inFlush: IdentityTable | undefined;
  #written: IdentityTable | undefined;
  #filter: IdentityFilter;
  #walk: Walk | undefined;
  #isFilterComplete = false;
  #addedWhenBuilt = 0;
  readonly #lookups = { recent: 0, filter: 0, catalog: 0 };

  constructor(options: SeenIdentitiesOptions) {
    this.#options = options;
    this.#hash = new IdentityHash(options.catalog.identitySecret());
    this.#filter = new IdentityFilter(options.filterBytes);
    this.#walk = { filter: this.#filter, runs: everyRun([], options.catalog) };
  }

  /** What the first row with this identity was answered; undefined when there was none. */
  find(key: string): IdentityMemo | undefined {
    this.#hash.digestKey(key, this.#digest);
    if (this.#isFilterComplete && !this.#filter.mayHold(this.#digest, 0)) {
      this.#lookups.filter++;
      return undefined;
    }
    return this.#find(this.#digest, 0);
  }

  /**
   * Takes the unit's identities, but for those that other rows have: these are answered, each with `first` set.
   * @throws what the catalog throws; nothing is taken then
   */
  reserve(unit: Unit): Identity[] {
    const { identified } = unit;
    if (identified === undefined) return [];
    identified.digest(this.#hash, unit);
    const { count } = identified;
    const repeats: Identity[] = [];
    const perhapsKnown = this.#addToFilter(identified);
    try {
      let next = 0;
      for (const i of perhapsKnown) {
        this.#takeNew(identified, next, i);
        next = i + 1;
        const first = identified.firstOf(i) ?? this.#find(identified.digests, i * digestWords);
        if (first === undefined) {
          this.#current.addAll(identified, i, next);
          continue;
        }
        const identity = identified.get(i, unit);
        identity.first = first;
        repeats.push(identity);
      }
      this.#takeNew(identified, next, count);
    } catch (error) {
      this.release(unit);
      for (const identity of repeats) identity.first = undefined;
      throw error;
    }
    return repeats;
  }

  /** Gives what the unit holds back: its rows were not stored. */
  release({ identified }: Unit): void {
    if (identified === undefined) return;
    const { digests, entries } = identified;
    entries.forEach((entry, i) => {
      if (entry === noEntry) return;
      for (const generation of this.#generations()) generation.delete(digests, i * digestWords);
      entries[i] = noEntry;
    });
  }

  /** The unit's rows are in the journal: the next flush writes its identities. */
  place({ identified }: Unit): void {
    if (identified === undefined) return;
    this.#current.placeAll(identified.entries);
  }

  /** Generations have moved on: what a unit on its way holds is to be among the identities that come after them. */
  carry({ identified }: Unit): void {
    if (identified === undefined) return;
    const { digests, entries } = identified;
    entries.forEach((entry, i) => {
      if (entry !== noEntry) entries[i] = this.#keep(digests, i * digestWords, identified.memoOf(i));
    });
  }

  /** Remembers an identity whose row was read back from the journal. */
  keep(key: string, memo: IdentityMemo): void {
    this.#hash.digestKey(key, this.#digest);
    this.#filterAdd({ words: this.#digest, stride: digestWords, count: 1 });
    this.#current.place(this.#keep(this.#digest, 0, memo));
  }

  /** A flush writes what was placed so far. */
  plan(): readonly IdentityPage[] {
    this.#inFlush = this.#current;
    this.#current = new IdentityTable(Math.min(this.#inFlush.count, maxExpected));
    return this.#inFlush.pages;
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
    large.merge(small);
    this.#current = large;
    this.#inFlush = undefined;
  }

  /**
   * Reads `identities` further ones, or some more, into the filter. To be called after start and after each flush,
   * with pauses, until it returns true.
   *
   * @throws what the catalog throws; the next call begins anew
   */
  warmUp(identities: number): boolean {
    for (let read = 0; read < identities && this.#walk;) {
      const run = this.#nextRun(this.#walk);
      if (run === undefined) {
        this.#finishWalk(this.#walk);
        continue;
      }
      this.#walk.filter.addAll(run);
      read += run.count;
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
    for (const { count, bytes } of this.#generations()) {
      size.entries += count;
      size.bytes += bytes;
    }
    return size;
  }

  /** Of the filter, or of both while it is renewed. */
  filterSize(): IndexSize {
    const walked = this.#walk && this.#walk.filter !== this.#filter ? this.#walk.filter.bytes : 0;
    return { entries: this.#filter.added, bytes: this.#filter.bytes + walked };
  }

  #generations(): IdentityTable[] {
    return [this.#current, this.#inFlush, this.#written].filter((each) => each !== undefined);
  }

  #find(digests: Int32Array, at: number): IdentityMemo | undefined {
    const recent = recentIn(this.#current, digests, at) ?? recentIn(this.#inFlush, digests, at) ??
      recentIn(this.#written, digests, at);
    if (recent !== undefined) {
      this.#lookups.recent++;
      return recent;
    }
    this.#lookups.catalog++;
    return this.#options.catalog.identity(digests, at);
  }

  /** Those from number `from` on, before `to`, are stored nowhere. */
  #takeNew(identified: UnitIdentities, from: number, to: number): void {
    this.#lookups.filter += to - from;
    this.#current.addAll(identified, from, to);
  }

  /** The number in the current generation, to which it is added where it is not there. */
  #keep(digests: Int32Array, at: number, memo: IdentityMemo): number {
    const entry = this.#current.find(digests, at);
    return entry === noEntry ? this.#current.add(digests, at, memo) : entry;
  }

  /** Adds all to the filter. Returns the numbers of those that may be repeats, in their order; no other one is. */
  #addToFilter(identified: UnitIdentities): Iterable<number> {
    const { digests, count, marked } = identified;
    const known: number[] = [];
    this.#filterAdd({ words: digests, stride: digestWords, count }, known);
    if (!this.#isFilterComplete) return digests.subarray(0, count).keys();
    return marked.length === 0 ? known : [...new Set([...known, ...marked])].sort((a, b) => a - b);
  }

  #filterAdd(run: DigestRun, known?: number[]): void {
    const walked = this.#walk?.filter;
    if (walked && walked !== this.#filter) walked.addAll(run);
    this.#filter.addAll(run, known);
  }

  /** Expired identities stay in a filter, so one that became too full is filled anew with what is left. */
  #renewFilter(): void {
    const { added, capacity } = this.#filter;
    if (this.#walk || added < capacity || added < 2 * this.#addedWhenBuilt) return;
    this.#beginWalk();
  }

  #beginWalk(): void {
    this.#walk = {
      filter: this.#isFilterComplete ? new IdentityFilter(this.#options.filterBytes) : this.#filter,
      runs: everyRun(this.#generations(), this.#options.catalog),
    };
  }

  #nextRun(walk: Walk): DigestRun | undefined {
    try {
      const next = walk.runs.next();
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

function recentIn(
  table: IdentityTable | undefined,
  digests: Int32Array,
  at: number,
): IdentityMemo | undefined {
  const entry = table?.find(digests, at) ?? noEntry;
  return entry === noEntry ? undefined : table!.memoOf(entry);
}

/** Deleted ones may be among them, which does no harm. */
function* everyRun(generations: readonly IdentityTable[], catalog: CatalogReader): Generator<DigestRun> {
  for (const { pages } of generations) {
    for (const { numbers, count } of pages) yield { words: numbers, stride: entryStride, count };
  }
  for (const words of catalog.identityDigests()) {
    yield { words, stride: digestWords, count: words.length / digestWords };
  }
}
