/**
 * The catalog as requests ask it: what it cannot answer is no bug of the daemon, and a damaged file is noticed.
 * @module
 */

import { WeirError } from "../base/errors.ts";
import type { IdentityMemo } from "../base/identity.ts";
import type { KeptReply } from "../base/record.ts";
import type { CatalogReader } from "../index/catalog_reader.ts";
import type { SessionSnapshot } from "../index/plan.ts";
import type { SessionReader } from "../index/session_keeper.ts";
import type { JournalPosition } from "../journal/segment.ts";

/** SQLITE_CORRUPT and SQLITE_NOTADB: what these say of a file stays true. */
const damageCodes = [11, 26];

/** Passes questions on. Once `isDamaged`, always so: the next start makes the catalog anew. */
export class WatchedCatalog implements CatalogReader, SessionReader {
  readonly #catalog: CatalogReader & SessionReader;
  #isDamaged = false;

  constructor(catalog: CatalogReader & SessionReader) {
    this.#catalog = catalog;
  }

  /** Was the file found to be damaged? */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  identitySecret(): Uint8Array {
    return this.#ask(() => this.#catalog.identitySecret());
  }

  identity(digests: Int32Array, at: number): IdentityMemo | undefined {
    return this.#ask(() => this.#catalog.identity(digests, at));
  }

  *identityDigests(): Generator<Int32Array, void, undefined> {
    const chunks = this.#catalog.identityDigests()[Symbol.iterator]();
    for (;;) {
      const { done, value } = this.#ask(() => chunks.next());
      if (done) return;
      yield value;
    }
  }

  reply(key: string): KeptReply | undefined {
    return this.#ask(() => this.#catalog.reply(key));
  }

  flushedBatches(app: string, sid: string, rid: string): Map<number, number> | undefined {
    return this.#ask(() => this.#catalog.flushedBatches(app, sid, rid));
  }

  flushedThrough(app: string, sid: string, rid: string): JournalPosition | undefined {
    return this.#ask(() => this.#catalog.flushedThrough(app, sid, rid));
  }

  entity(key: string): string | undefined {
    return this.#ask(() => this.#catalog.entity(key));
  }

  session(id: string): SessionSnapshot | undefined {
    return this.#ask(() => this.#catalog.session(id));
  }

  openSessions(): Iterable<SessionSnapshot> {
    return this.#ask(() => [...this.#catalog.openSessions()]);
  }

  isReplayed(line: Uint8Array): boolean {
    return this.#ask(() => this.#catalog.isReplayed(line));
  }

  /** @throws WeirError `catalog_failed` */
  #ask<T>(question: () => T): T {
    try {
      return question();
    } catch (error) {
      const { errcode } = error as { errcode?: number };
      // Extended codes carry the plain one in their lowest byte.
      if (errcode !== undefined && damageCodes.includes(errcode & 0xff)) this.#isDamaged = true;
      throw new WeirError("catalog_failed", "The catalog cannot be read; see /healthz", { cause: error });
    }
  }
}
