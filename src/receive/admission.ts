/**
 * Admission: how much may be in flight at once. Past it a request is refused with 503 and Retry-After, before
 * memory is spent on it.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { WeirError } from "../base/errors.ts";
import type { Metrics } from "../base/metrics.ts";

/** Bounds that may change while the daemon runs. */
export interface AdmissionLimits {
  readonly max_in_flight_bytes: number;
  readonly max_in_flight_requests: number;
  /** How long a request waits, unread, for room before it is refused. */
  readonly admission_wait_ms: number;
}

/** The share of one request in what is in flight. */
export interface Lease extends Disposable {
  /** Bytes held at this moment. */
  readonly held: number;
  /**
   * Says how many bytes the request holds at this moment; what it announced at first stays reserved.
   * @throws WeirError `overloaded` when that is more than is left
   */
  hold(bytes: number): void;
}

/** What a client is told when the daemon stops before it could take the request. */
export function stoppingError(): WeirError {
  return new WeirError("draining", "The daemon is stopping", { retryAfterS: 5 });
}

interface Waiting {
  readonly bytes: number;
  /** Monotonic ms at which it is refused. */
  readonly until: number;
  grant(lease: Lease): void;
  refuse(error: WeirError): void;
}

/** A request of no more than this need not queue behind large ones. */
const smallBytes = 64 * 1024;

/**
 * Counts requests and bytes in flight. Past the limits requests wait in line, unread, so that their senders are held
 * up instead of refused; who waited too long is refused.
 *
 * - `#bytes` is the sum of what all open leases hold.
 * - A lease gives back exactly what it took, once.
 * - Those in line come in the order in which they came; `#timer` runs while there are any.
 */
export class Admission {
  readonly #limits: () => AdmissionLimits;
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #obstacle: () => WeirError | undefined;
  readonly #ledger: Ledger = {
    change: (more) => this.#change(more),
    end: (held) => this.#end(held),
  };
  #bytes = 0;
  #requests = 0;
  #peakBytes = 0;
  #draining = false;
  #idle: (() => void)[] = [];
  #line: Waiting[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param obstacle What makes it pointless to take a request at this moment, such as a full disk. */
  constructor(
    limits: () => AdmissionLimits,
    { clock, metrics, obstacle }: { clock: Clock; metrics: Metrics; obstacle: () => WeirError | undefined },
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#obstacle = obstacle;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get requests(): number {
    return this.#requests;
  }

  /** Most bytes that were in flight at once since the start. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Requests that wait for room. */
  get waiting(): number {
    return this.#line.length;
  }

  /**
   * Lets a request in: at once where there is room, else when there is.
   * @param bytes What it will hold at the least; no more than all there is counts.
   * @param options.storesNothing Is an obstacle to storing none to this request? @default false
   * @throws WeirError `draining`, `overloaded`, or what stands in the way
   */
  enter(bytes: number, options: { storesNothing?: boolean } = {}): Lease | Promise<Lease> {
    if (this.#draining) throw this.#refuse(stoppingError());
    const obstacle = options.storesNothing ? undefined : this.#obstacle();
    const limits = this.#limits();
    if (obstacle !== undefined && !(isPassing(obstacle) && limits.admission_wait_ms > 0)) {
      throw this.#refuse(obstacle);
    }
    const needed = Math.min(bytes, limits.max_in_flight_bytes);
    const mayPass = obstacle === undefined && (this.#line.length === 0 || needed <= smallBytes);
    if (mayPass && this.#hasRoom(needed)) return this.#grant(needed);
    if (this.#requests + this.#line.length >= limits.max_in_flight_requests) {
      throw this.#refuse(tooMany("requests", limits.max_in_flight_requests));
    }
    if (limits.admission_wait_ms === 0) throw this.#refuse(tooMany("bytes", limits.max_in_flight_bytes));
    return this.#queue(needed, limits.admission_wait_ms);
  }

  /** What stood in the way may be gone: lets in those in line. */
  wake(): void {
    this.#letIn();
  }

  /** From now on nobody is let in, and nobody waits. */
  close(): void {
    this.#draining = true;
    clearTimeout(this.#timer);
    for (const waiting of this.#line.splice(0)) waiting.refuse(this.#refuse(stoppingError()));
  }

  /** Resolves when no request is in flight. */
  idle(): Promise<void> {
    if (this.#requests === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #grant(bytes: number): Lease {
    this.#add(bytes);
    this.#requests++;
    return new GrantedLease(bytes, this.#ledger);
  }

  #change(more: number): void {
    if (more > 0 && !this.#hasRoom(more)) {
      throw this.#refuse(tooMany("bytes", this.#limits().max_in_flight_bytes));
    }
    this.#add(more);
    if (more < 0) this.#letIn();
  }

  #end(held: number): void {
    this.#add(-held);
    this.#requests--;
    if (this.#line.length > 0) this.#letIn();
    if (this.#requests === 0 && this.#idle.length > 0) this.#idle.splice(0).forEach((resolve) => resolve());
  }

  #queue(bytes: number, waitMs: number): Promise<Lease> {
    return new Promise((grant, refuse) => {
      this.#line.push({ bytes, until: this.#clock.monotonic() + waitMs, grant, refuse });
      if (this.#line.length === 1) this.#refuseLater();
    });
  }

  /** Lets in those in line for whom there is room, the first ones first. */
  #letIn(): void {
    while (this.#line.length > 0 && this.#hasRoom(this.#line[0].bytes) && !isPassing(this.#obstacle())) {
      const { bytes, grant } = this.#line.shift()!;
      grant(this.#grant(bytes));
    }
    if (this.#line.length === 0) clearTimeout(this.#timer);
  }

  /** Refuses whoever has waited too long, and looks again when the next one has. */
  #refuseLate(): void {
    const now = this.#clock.monotonic();
    const { max_in_flight_bytes: maxBytes } = this.#limits();
    while (this.#line.length > 0 && this.#line[0].until <= now) {
      const obstacle = this.#obstacle() ?? tooMany("bytes", maxBytes);
      this.#line.shift()!.refuse(this.#refuse(obstacle));
    }
    if (this.#line.length > 0) this.#refuseLater();
    this.#letIn();
  }

  #refuseLater(): void {
    clearTimeout(this.#timer);
    const waitMs = Math.max(1, this.#line[0].until - this.#clock.monotonic());
    this.#timer = setTimeout(() => this.#refuseLate(), waitMs);
  }

  #hasRoom(bytes: number): boolean {
    const limits = this.#limits();
    return this.#requests < limits.max_in_flight_requests &&
      this.#bytes + bytes <= limits.max_in_flight_bytes;
  }

  #add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#peakBytes) this.#peakBytes = this.#bytes;
  }

  #refuse(error: WeirError): WeirError {
    this.#metrics.counter("weir_refused_total").inc({ code: error.code });
    return error;
  }
}

/** Where a lease tells what it holds. */
interface Ledger {
  /** So many bytes more, or fewer. @throws WeirError `overloaded` */
  change(more: number): void;
  /** It is over, and held so many bytes. */
  end(held: number): void;
}

/** One of the many: as an object with methods of its own it would cost more than all that is decided here. */
class GrantedLease implements Lease {
  readonly #reserved: number;
  readonly #ledger: Ledger;
  #held: number;
  #isOpen = true;

  constructor(bytes: number, ledger: Ledger) {
    this.#reserved = bytes;
    this.#held = bytes;
    this.#ledger = ledger;
  }

  get held(): number {
    return this.#held;
  }

  hold(bytes: number): void {
    if (!this.#isOpen) return;
    const more = Math.max(bytes, this.#reserved) - this.#held;
    if (more === 0) return;
    this.#ledger.change(more);
    this.#held += more;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#ledger.end(this.#held);
  }
}

/** Will a flush do away with it? Then waiting for that is better than being sent away. */
function isPassing(obstacle: WeirError | undefined): boolean {
  return obstacle?.code === "overloaded";
}

function tooMany(what: "requests" | "bytes", limit: number): WeirError {
  return new WeirError("overloaded", `Too many ${what} in flight: limits.max_in_flight_${what} is ${limit}`);
}
