/**
 * Where a batch stands among those of its request (contract `backend`, Decisions and 2.3).
 * @module
 */

import { EntryRefusal } from "./refusal.ts";
import type { Members } from "./schema.ts";

/** The greatest batch index that is taken: it leaves room for the next one in ten digits. */
export const maxBatchIndex = 2 ** 32 - 1;

const besideTrace = [
  "traceBatchIndex",
  "traceIndex",
  "traceSeq",
  "traceOrder",
  "batchIndex",
  "batch",
  "index",
] as const;
const inWrapper = ["batchIndex", "index", "seq", "batch", "order"] as const;

/**
 * The index of the `trace` in the same object; -1 when it was left out.
 * @throws EntryRefusal `bad_batch_index`
 */
export function indexBesideTrace(source: Members): number {
  return toIndex(firstGiven(source, besideTrace));
}

/**
 * The index of a wrapped batch, or of the one that metadata speaks of; -1 when it was left out.
 * @throws EntryRefusal `bad_batch_index`
 */
export function indexInWrapper(wrapper: Members): number {
  return toIndex(firstGiven(wrapper, inWrapper));
}

/** The declared number of batches; -1 when there is none that can be true. */
export function totalOf(wrapper: Members): number {
  const total = toNumber(wrapper.total);
  return Number.isInteger(total) && total >= 1 && total <= maxBatchIndex + 1 ? total : -1;
}

/** The first member that is neither absent nor null. */
export function firstGiven(source: Members, names: readonly string[]): unknown {
  for (const name of names) {
    const value = source[name];
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

function toIndex(value: unknown): number {
  const index = toNumber(value);
  if (Number.isNaN(index)) return -1;
  if (Number.isInteger(index) && index >= 0 && index <= maxBatchIndex) return Math.abs(index);
  throw new EntryRefusal("bad_batch_index", `Batch index must be an integer between 0 and ${maxBatchIndex}`);
}

/** JavaScript's `Number()`, but NaN for what is absent or blank, and for what could run code of the sender's. */
function toNumber(value: unknown): number {
  if (value === undefined || value === null) return NaN;
  if (typeof value === "string" && value.trim() === "") return NaN;
  if (typeof value !== "object") return Number(value);
  const isPlainList = Array.isArray(value) &&
    value.every((item) => item === null || typeof item !== "object");
  return isPlainList ? Number(value) : NaN;
}
