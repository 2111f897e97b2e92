/**
 * Admission: how much may be in flight at once. Past it a request is refused with 503 and Retry-After, before
 * memory is spent on it.
 * @module
 */

import { WeirError } from "../base/errors.ts";
import type { Metrics } from "../base/metrics.ts";

/** Bounds that may change while the daemon runs. */
export interface AdmissionLimits {
  readonly max_in_flight_bytes: number;
  readonly max_in_flight_requests: number;
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

/**
 * Counts requests and bytes in flight.
 *
 * - `#bytes` is the sum of what all open leases hold.
 * - A lease gives back exactly what it took, once.
 */
export class Admission {
  readonly #limits: () => AdmissionLimits;
  readonly #metrics: Metrics;
  readonly #obstacle: () => WeirError | undefined;
  #bytes = 0;
  #requests = 0;
  #peakBytes = 0;
  #draining = false;
  #idle: (() => void)[] = [];

  /** @param obstacle What makes it pointless to take a request at this moment, such as a full disk. */
  constructor(
    limits: () => AdmissionLimits,
    { metrics, obstacle }: { metrics: Metrics; obstacle: () => WeirError | undefined },
  ) {
    this.#limits = limits;
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

  /**
   * Lets a request in.
   * @param announced Bytes that it will hold at the least, such as its Content-Length.
   * @throws WeirError `draining`, `overloaded`, or what stands in the way
   */
  enter(announced: number): Lease {
    if (this.#draining) {
      throw this.#refuse(stoppingError());
    }
    const obstacle = this.#obstacle();
    if (obstacle !== undefined) throw this.#refuse(obstacle);
    const { max_in_flight_requests: maxRequests } = this.#limits();
    if (this.#requests >= maxRequests) {
      throw this.#refuse(
        new WeirError(
          "overloaded",
          `Too many requests in flight: limits.max_in_flight_requests is ${maxRequests}`,
        ),
      );
    }
    this.#take(announced);
    this.#requests++;
    let held = announced;
    let open = true;
    return {
      get held() {
        return held;
      },
      hold: (bytes) => {
        if (!open) return;
        const more = Math.max(bytes, announced) - held;
        if (more > 0) this.#take(more);
        else this.#bytes += more;
        held += more;
      },
      [Symbol.dispose]: () => {
        if (!open) return;
        open = false;
        this.#bytes -= held;
        this.#requests--;
        if (this.#requests === 0) this.#idle.splice(0).forEach((resolve) => resolve());
      },
    };
  }

  /** From now on nobody is let in. */
  close(): void {
    this.#draining = true;
  }

  /** Resolves when no request is in flight. */
  idle(): Promise<void> {
    if (this.#requests === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #take(bytes: number): void {
    const { max_in_flight_bytes: maxBytes } = this.#limits();
    if (this.#bytes + bytes > maxBytes) {
      throw this.#refuse(
        new WeirError("overloaded", `Too many bytes in flight: limits.max_in_flight_bytes is ${maxBytes}`),
      );
    }
    this.#bytes += bytes;
    if (this.#bytes > this.#peakBytes) this.#peakBytes = this.#bytes;
  }

  #refuse(error: WeirError): WeirError {
    this.#metrics.counter("weir_refused_total").inc({ code: error.code });
    return error;
  }
}
