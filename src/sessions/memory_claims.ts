/**
 * Claims of a daemon that works alone.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { Metrics } from "../base/metrics.ts";
import type { ClaimAnswer, ClaimRequest, Claims, HeldClaim } from "./claims.ts";

interface Entry {
  state: "pending" | "done";
  token: string;
  fence: number;
  /** Monotonic ms at which it ends. */
  until: number;
}

/** Entries looked at for expiry with each claim asked for: more than one, or they would pile up. */
const sweptPerClaim = 4;

/**
 * Claims in a map.
 *
 * - A pending entry past its time may be taken over; a done one past its time is forgotten.
 * - The fence of a key only ever grows while the key is known, and all fences grow with each new key.
 */
export class MemoryClaims implements Claims {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #entries = new Map<string, Entry>();
  #fence = 0;
  #token = 0;
  #sweep: IterableIterator<[string, Entry]> | undefined;

  constructor(clock: Clock, metrics: Metrics) {
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /** Claims known at this moment, expired ones that nobody asked for included. */
  get size(): number {
    return this.#entries.size;
  }

  take(requests: readonly ClaimRequest[]): Promise<ClaimAnswer[]> {
    this.#forgetSome(sweptPerClaim * requests.length);
    return Promise.resolve(requests.map((request) => this.#takeOne(request)));
  }

  done(claims: readonly HeldClaim[], keepMs: number): Promise<boolean[]> {
    const until = this.#clock.monotonic() + keepMs;
    return Promise.resolve(claims.map(({ key, token }) => {
      const entry = this.#entries.get(key);
      if (entry === undefined || entry.token !== token) return false;
      entry.state = "done";
      entry.until = until;
      this.#metrics.counter("weir_claims_total").inc({ event: "done" });
      return true;
    }));
  }

  release(claims: readonly HeldClaim[]): Promise<void> {
    for (const { key, token } of claims) {
      const entry = this.#entries.get(key);
      if (entry?.token === token && entry.state === "pending") this.#entries.delete(key);
    }
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#entries.clear();
    return Promise.resolve();
  }

  #takeOne({ key, pendingMs }: ClaimRequest): ClaimAnswer {
    const now = this.#clock.monotonic();
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.until > now) {
      this.#metrics.counter("weir_claims_total").inc({ event: "lost" });
      return { state: entry.state, fence: entry.fence };
    }
    const takenOver = entry?.state === "pending";
    const token = String(++this.#token);
    const fence = ++this.#fence;
    this.#entries.set(key, { state: "pending", token, fence, until: now + pendingMs });
    this.#metrics.counter("weir_claims_total").inc({ event: takenOver ? "taken_over" : "taken" });
    return { state: "taken", token, fence, takenOver };
  }

  /** A pending entry past its time is kept a while longer, so that its take-over is seen as one. */
  #forgetSome(entries: number): void {
    const now = this.#clock.monotonic();
    this.#sweep ??= this.#entries.entries();
    for (let i = 0; i < entries; i++) {
      const { value, done } = this.#sweep.next();
      if (done) {
        this.#sweep = undefined;
        return;
      }
      const [key, entry] = value;
      const grace = entry.state === "pending" ? 60_000 : 0;
      if (entry.until + grace <= now) this.#entries.delete(key);
    }
  }
}
