/**
 * Lists of requests, flushed or not, page by page.
 *
 * A list is in the order of the requests' first entries, which a flush does not change. What the journal holds and what
 * the catalog lists are merged; a request that is in both stands where the earlier of its two times says.
 * @module
 */

import { setImmediate } from "node:timers";
import type { Catalog } from "../catalog/catalog.ts";
import { compareKeys, type ListedRequest, type ListKey } from "../catalog/listed_requests.ts";
import type { TraceIndex } from "../index/trace_index.ts";
import { maxListedCharacters } from "./request_line.ts";
import type { StoredRequest, TraceReader } from "./trace_reader.ts";

/** Rows of the catalog that are looked at at once. */
const rowsPerLook = 500;
/** Requests that are looked at for one page, whether they fit or not. */
const maxLooked = 20_000;
/** Of these, requests whose metadata must be read from the journal. */
const maxRead = 2_000;

/** What a list shows of a request. */
export interface RequestOverview {
  readonly sid: string;
  readonly rid: string;
  /** Time of its first and its last entry, ms since the epoch. */
  readonly firstT: number;
  readonly lastT: number;
  /** Declared number of batches, or -1. */
  readonly total: number;
  readonly replaced: number;
  readonly batches: number;
  readonly missingCount: number;
  readonly complete: boolean;
  /** Columns of its metadata, those that lists show. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Which requests. */
export interface RequestQuery {
  readonly app: string;
  /** @default every session */
  readonly sid?: string;
  /** @default every request */
  readonly rid?: string;
  /** By the time of the first entry. */
  readonly order: "asc" | "desc";
  /** Where the page before ended. @default at the beginning */
  readonly after?: ListKey;
  /** Time of the first entry: not before `from`, and before `to`; ms since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly limit: number;
  fits(request: RequestOverview): boolean;
}

/** Some of a list. */
export interface RequestPage {
  readonly items: RequestOverview[];
  /** Where the next page begins; undefined when this is the last. A page with few items may have a next one. */
  readonly next: ListKey | undefined;
}

/** Where {@link RequestList} looks. */
export interface RequestListSources {
  readonly indexes: { readonly traces: Pick<TraceIndex, "requestsOf" | "find"> };
  readonly catalog: Pick<Catalog, "requests">;
  readonly traces: Pick<TraceReader, "readRequest">;
}

/** One request that may belong on the page. */
interface Candidate {
  readonly key: ListKey;
  /** As the catalog has it, when that is all there is of it. */
  readonly listed?: ListedRequest;
}

/** Reads lists as of now: what was acknowledged is in them. */
export class RequestList {
  readonly #sources: RequestListSources;

  constructor(sources: RequestListSources) {
    this.#sources = sources;
  }

  /** One page. It looks at a bounded number of requests, so it may end early; then it says where to go on. */
  async page(query: RequestQuery): Promise<RequestPage> {
    const items: RequestOverview[] = [];
    const taken = new Set<string>();
    let looked = 0, read = 0;
    let last: ListKey | undefined;
    for await (const { key, listed } of this.#candidates(query)) {
      if (items.length === query.limit || looked >= maxLooked || read >= maxRead) {
        return { items, next: last };
      }
      last = key;
      looked++;
      const name = JSON.stringify([key.sid, key.rid]);
      // A flush between two looks shows a request on both sides.
      if (taken.has(name)) continue;
      if (listed === undefined) read++;
      const request = listed ? overviewOfRow(listed) : await this.#read(query.app, key);
      if (request === undefined || !query.fits(request)) continue;
      taken.add(name);
      items.push(request);
    }
    return { items, next: undefined };
  }

  async #read(app: string, { sid, rid }: ListKey): Promise<RequestOverview | undefined> {
    const request = await this.#sources.traces.readRequest({ app, sid, rid });
    return request && overviewOf(request);
  }

  async *#candidates(query: RequestQuery): AsyncGenerator<Candidate, void, undefined> {
    const open = this.#open(query);
    const rows = this.#rows(query);
    const sign = query.order === "asc" ? 1 : -1;
    let row = await rows.next();
    for (const key of open) {
      for (; !row.done && sign * compareKeys(row.value.key, key) < 0; row = await rows.next()) {
        yield row.value;
      }
      yield { key };
    }
    for (; !row.done; row = await rows.next()) yield row.value;
  }

  /** Requests that the journal holds something of, in order. */
  #open(query: RequestQuery): ListKey[] {
    const { app, sid, rid, order, after, from, to } = query;
    const { indexes, catalog } = this.#sources;
    const sign = order === "asc" ? 1 : -1;
    const first = new FirstKeys(maxLooked + 1, (a, b) => sign * compareKeys(a, b));
    for (const request of indexes.traces.requestsOf(app, sid)) {
      if (rid !== undefined && request.rid !== rid) continue;
      if (request.firstT >= to) continue;
      // Where parts have it with an earlier time, it stands among their rows.
      const listed = request.inParts ? catalog.requests.find({ app, ...request }) : undefined;
      if (listed !== undefined && listed.firstT <= request.firstT) continue;
      const key = { t: request.firstT, sid: request.sid, rid: request.rid };
      if (key.t < from || (after && sign * compareKeys(key, after) <= 0)) continue;
      first.add(key);
    }
    return first.sorted();
  }

  /** Requests that parts hold something of, in order, without those that stand among the open ones. */
  async *#rows(query: RequestQuery): AsyncGenerator<Candidate, void, undefined> {
    const { app, rid, limit } = query;
    let { after } = query;
    const size = Math.min(rowsPerLook, limit + 1);
    for (;;) {
      const rows = rid === undefined ? this.#look(query, after, size) : this.#named(query, rid);
      // All in the turn in which the rows were read: a row of what is open then may be out of date a moment later.
      const candidates = rows.flatMap((listed): Candidate[] => {
        const key = keyOf(listed);
        const open = this.#sources.indexes.traces.find(app, key.sid, key.rid);
        if (open === undefined) return [{ key, listed }];
        return open.firstT >= key.t ? [{ key }] : [];
      });
      yield* candidates;
      if (rid !== undefined || rows.length < size) return;
      after = keyOf(rows[rows.length - 1]);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  #look(query: RequestQuery, after: ListKey | undefined, limit: number): ListedRequest[] {
    const { app, sid, order, from, to } = query;
    return this.#sources.catalog.requests.page({ app, sid, order, after, from, to, limit });
  }

  /** The requests with one id: so few that they are sorted here. */
  #named(query: RequestQuery, rid: string): ListedRequest[] {
    const { app, sid, order, after, from, to } = query;
    const sign = order === "asc" ? 1 : -1;
    return this.#sources.catalog.requests.named(app, rid, maxLooked)
      .filter((row) => (sid === undefined || row.sid === sid) && row.firstT >= from && row.firstT < to)
      .filter((row) => after === undefined || sign * compareKeys(keyOf(row), after) > 0)
      .sort((a, b) => sign * compareKeys(keyOf(a), keyOf(b)));
  }
}

/** The first so many keys of those that were added. */
class FirstKeys {
  readonly #limit: number;
  readonly #compare: (a: ListKey, b: ListKey) => number;
  #keys: ListKey[] = [];
  #bound: ListKey | undefined;

  constructor(limit: number, compare: (a: ListKey, b: ListKey) => number) {
    this.#limit = limit;
    this.#compare = compare;
  }

  add(key: ListKey): void {
    if (this.#bound !== undefined && this.#compare(key, this.#bound) > 0) return;
    this.#keys.push(key);
    // Sorted now and then: a comparison or two a key, and never more than twice the limit in memory.
    if (this.#keys.length < 2 * this.#limit) return;
    this.#keys = this.sorted();
    this.#bound = this.#keys[this.#keys.length - 1];
  }

  sorted(): ListKey[] {
    return this.#keys.sort(this.#compare).slice(0, this.#limit);
  }
}

function keyOf({ firstT, sid, rid }: ListedRequest): ListKey {
  return { t: firstT, sid, rid };
}

function overviewOfRow({ values, ...counts }: ListedRequest): RequestOverview {
  const fields = Object.fromEntries(Object.entries(values).map(([column, [value]]) => [column, value]));
  return { ...counts, fields };
}

/** A request as a list shows it: as its row in the catalog would, so that a flush changes nothing. */
export function overviewOf(request: StoredRequest): RequestOverview {
  const { sid, rid, firstT, lastT, total, replaced, batches, missingCount, complete } = request;
  const fields = Object.fromEntries(
    Object.entries(request.fields).map(([column, value]) => [
      column,
      typeof value === "string" ? value.slice(0, maxListedCharacters) : value,
    ]),
  );
  return {
    ...{ sid, rid, firstT, lastT, total, replaced, missingCount, complete, fields },
    batches: batches.length,
  };
}
