/**
 * Packs the requests of a flush into one array of names and one of numbers, and unpacks them in the worker.
 * @module
 */

import { batchStride, metaStride, type PackedRequests, type RequestPlan } from "./plan.ts";

const namesPerRequest = 3;
const headNumbers = 6;

/** Packs requests one after the other. */
export class RequestPacker {
  readonly #names: string[] = [];
  #numbers = new Float64Array(1024);
  #length = 0;

  add(request: RequestPlan): void {
    const { batches, metas } = request;
    const needed = this.#length + headNumbers + batches.length + metas.length;
    if (needed > this.#numbers.length) {
      const grown = new Float64Array(Math.max(needed, this.#numbers.length * 2));
      grown.set(this.#numbers.subarray(0, this.#length));
      this.#numbers = grown;
    }
    this.#names.push(request.app, request.sid, request.rid);
    const numbers = this.#numbers;
    let at = this.#length;
    numbers[at++] = request.total;
    numbers[at++] = request.replaced;
    numbers[at++] = request.firstT;
    numbers[at++] = request.lastT;
    numbers[at++] = batches.length / batchStride;
    numbers[at++] = metas.length / metaStride;
    numbers.set(batches, at);
    numbers.set(metas, at + batches.length);
    this.#length = needed;
  }

  /** What was added, in that order. */
  finish(): PackedRequests {
    return { names: this.#names, numbers: this.#numbers.slice(0, this.#length) };
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
