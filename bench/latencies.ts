/**
 * Latencies of one arm, every one of them kept.
 * @module
 */

/** Milliseconds. */
export interface LatencySummary {
  p50: number;
  p99: number;
  max: number;
}

/** Collects milliseconds in an array that grows by doubling. */
export class Latencies {
  #values = new Float32Array(1 << 16);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    if (this.#count === this.#values.length) {
      const grown = new Float32Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count++] = ms;
  }

  /** Nearest-rank percentiles; all 0 where there is no value. */
  summary(): LatencySummary {
    const sorted = this.#values.subarray(0, this.#count).toSorted();
    const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  }
}
