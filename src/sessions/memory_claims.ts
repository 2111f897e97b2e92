/**
 * Claims among the requests of one daemon.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import {
  type ClaimAnswer,
  type ClaimRequest,
  type Claims,
  type DoneClaim,
  graceMs,
  type HeldClaim,
} from "./claims.ts";

interface Entry {
  state: "pending" | "done";
  token: string;
  fence: number;
  /** Monotonic ms at which it ends. */
  until: number;
  memo: string;
  /** For those who wait until it is no longer pending. */
  ended?: PromiseWithResolvers<void>;
}

/** Entries looked at for expiry with each claim asked for: more than one, or they would pile up. */
const sweptPerClaim = 4;

/**
 * Claims in a map.
 *
 * - A call has had its effect when it returns; the promise is the contract's.
 * - A pending entry past its time may be taken over; a done one past its time is forgotten.
 * - The fence of a key only ever grows while the key is known, and all fences grow with each new key.
 */
export class MemoryClaims implements Claims {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  #fence = 0;
  #sweep: IterableIterator<[string, Entry]> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Claims known at this moment, expired ones that nobody asked for included. */
  get size(): number {
    return this.#entries.size;
  }

  take(requests: readonly ClaimRequest[]): Promise<ClaimAnswer[]> {
    const now = this.#clock.monotonic();
    this.#forgetSome(sweptPerClaim * requests.length, now);
    return Promise.resolve(requests.map((request) => this.#takeOne(request, now)));
  }

  done(claims: readonly DoneClaim[]): Promise<boolean[]> {
    const now = this.#clock.monotonic();
    return Promise.resolve(claims.map((claim) => {
      const entry = this.#known(claim.key, now);
      if (entry?.token !== claim.token) return false;
      this.#finish(entry, claim, now);
      return true;
    }));
  }

  mark(claims: readonly DoneClaim[]): Promise<boolean[]> {
    const now = this.#clock.monotonic();
    return Promise.resolve(claims.map((claim) => {
      const entry = this.#known(claim.key, now) ?? this.#add(claim);
      if (entry.state === "done" && entry.token !== claim.token) return true;
      entry.token = claim.token;
      this.#finish(entry, claim, now);
      return false;
    }));
  }

  release(claims: readonly HeldClaim[]): Promise<void> {
    for (const { key, token } of claims) {
      const entry = this.#entries.get(key);
      if (entry?.token !== token || entry.state !== "pending") continue;
      this.#forget(key, entry);
    }
    return Promise.resolve();
  }

  /** Waits for a pending claim to be done or given back; of an owner that lets its time run out nobody is told. */
  ended(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry?.state !== "pending") return Promise.resolve();
    entry.ended ??= Promise.withResolvers<void>();
    return entry.ended.promise;
  }

  #takeOne(request: ClaimRequest, now: number): ClaimAnswer {
    const { token, pendingMs } = request;
    const known = this.#known(request.key, now);
    if (known?.state === "done") return { state: "done", fence: known.fence, memo: known.memo };
    const isTheirs = known !== undefined && known.token !== token;
    if (isTheirs && known.until > now) return { state: "pending", fence: known.fence };
    const entry = known ?? this.#add(request);
    entry.token = token;
    entry.fence = ++this.#fence;
    entry.until = now + pendingMs;
    return { state: "taken", fence: entry.fence, takenOver: isTheirs };
  }

  #known(key: string, now: number): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || !isOver(entry, now)) return entry;
    this.#forget(key, entry);
    return undefined;
  }

  #add({ key, token }: HeldClaim): Entry {
    const entry: Entry = { state: "pending", token, fence: ++this.#fence, until: 0, memo: "" };
    this.#entries.set(key, entry);
    return entry;
  }

  #finish(entry: Entry, { keepMs, memo }: DoneClaim, now: number): void {
    entry.state = "done";
    entry.until = now + keepMs;
    entry.memo = memo ?? entry.memo;
    entry.ended?.resolve();
  }

  #forget(key: string, entry: Entry): void {
    this.#entries.delete(key);
    entry.ended?.resolve();
  }

  #forgetSome(entries: number, now: number): void {
    this.#sweep ??= this.#entries.entries();
    for (let i = 0; i < entries; i++) {
      const { value, done } = this.#sweep.next();
      if (done) {
        this.#sweep = undefined;
        return;
      }
      const [key, entry] = value;
      if (isOver(entry, now)) this.#forget(key, entry);
    }
  }
}

/** May it be forgotten? A pending one is kept a while longer than its time. */
function isOver({ state, until }: Entry, now: number): boolean {
  return until + (state === "pending" ? graceMs : 0) <= now;
}
