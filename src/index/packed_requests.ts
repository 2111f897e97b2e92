/**
 * Packs the requests of a flush into one array of names and one of numbers, and unpacks them in the worker.
 * @module
 */

import { batchStride, metaStride, type PackedRequests, type RequestPlan } from "./plan.ts";

const namesPerRequest = 3;
const headNumbers = 6;

/** What a plan says of a request besides its records. */
export type RequestCounts = Pick<RequestPlan, "total" | "replaced" | "firstT" | "lastT">;

/** How a request begins in a pack. */
export interface RequestHead {
  readonly app: string;
  readonly sid: string;
  readonly rid: string;
  readonly counts: RequestCounts;
  readonly batches: number;
  readonly metas: number;
}

/** Packs requests one after the other: a head, then {@link RequestPacker.push} for each number of its records. */
export class RequestPacker {
  readonly #names: string[] = [];
  #numbers = new Float64Array(64);
  #length = 0;

  /** Begins a request; the numbers of this many batches and metas follow. */
  begin(head: RequestHead): void {
    const { app, sid, rid, counts, batches, metas } = head;
    this.#reserve(headNumbers + batches * batchStride + metas * metaStride);
    this.#names.push(app, sid, rid);
    this.push(counts.total);
    this.push(counts.replaced);
    this.push(counts.firstT);
    this.push(counts.lastT);
    this.push(batches);
    this.push(metas);
  }

  /** The next number of the request that was begun last. */
  push(value: number): void {
    this.#numbers[this.#length++] = value;
  }

  /** What was added, in that order. */
  finish(): PackedRequests {
    return { names: this.#names, numbers: this.#numbers.slice(0, this.#length) };
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#numbers.length) return;
    const grown = new Float64Array(Math.max(needed, this.#numbers.length * 2));
    grown.set(this.#numbers.subarray(0, this.#length));
    this.#numbers = grown;
  }
}

/** The requests of a pack, in order; their arrays are views of the pack's. */
export function* unpackRequests(packed: PackedRequests): Generator<RequestPlan, void, undefined> {
  const { names, numbers } = packed;
  let at = 0;
  for (let name = 0; name < names.length; name += namesPerRequest) {
    const [total, replaced, firstT, lastT, batchCount, metaCount] = numbers.subarray(at, at + headNumbers);
    const batchesAt = at + headNumbers;
    const metasAt = batchesAt + batchCount * batchStride;
    at = metasAt + metaCount * metaStride;
    yield {
      app: names[name],
      sid: names[name + 1],
      rid: names[name + 2],
      batches: numbers.subarray(batchesAt, metasAt),
      metas: numbers.subarray(metasAt, at),
      total,
      replaced,
      firstT,
      lastT,
    };
  }
}
