/**
 * The same request again at once, as pages send it by accident: answered as the first one was, and not run
 * (contract `track`, 2.5 and Decision 8).
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { Reply, Twin } from "../dialects/dialect.ts";

/** Requests remembered; past it the oldest are forgotten. */
const maxKnown = 100_000;

/** The turn of one request: a reply to repeat, or the right to run, until it is disposed of. */
export interface TwinTurn extends Disposable {
  /** Set when the request must not run. */
  readonly repeat?: Reply;
  /** The request was run, and this is its reply. A turn that ends without it leaves the next one to run. */
  done(reply: Reply): void;
}

interface Known {
  /** Monotonic ms. */
  readonly until: number;
  readonly reply: Promise<Reply | undefined>;
}

/** Requests of the last moments. */
export class Twins {
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Requests that are remembered at this moment. */
  get size(): number {
    return this.#known.size;
  }

  /** Waits for the same request where it is still running, then answers what to do. */
  async begin({ key, windowMs }: Twin): Promise<TwinTurn> {
    const now = this.#clock.monotonic();
    this.#forget(now);
    for (let known = this.#known.get(key); known !== undefined; known = this.#known.get(key)) {
      if (known.until <= now) break;
      const reply = await known.reply;
      if (reply !== undefined) {
        return { repeat: repeated(reply), done(): void {}, [Symbol.dispose](): void {} };
      }
    }
    return this.#run(key, now + windowMs);
  }

  #run(key: string, until: number): TwinTurn {
    const { promise, resolve } = Promise.withResolvers<Reply | undefined>();
    const known: Known = { until, reply: promise };
    this.#known.set(key, known);
    let isDone = false;
    return {
      done(reply: Reply): void {
        isDone = true;
        resolve(reply);
      },
      [Symbol.dispose]: (): void => {
        if (isDone) return;
        if (this.#known.get(key) === known) this.#known.delete(key);
        resolve(undefined);
      },
    };
  }

  /** They stand in the order in which they came, which is that of their ends. */
  #forget(now: number): void {
    for (const [key, { until }] of this.#known) {
      if (until > now && this.#known.size < maxKnown) return;
      this.#known.delete(key);
    }
  }
}

/** The first one's reply, marked. */
function repeated(reply: Reply): Reply {
  return { ...reply, body: JSON.stringify({ ...JSON.parse(reply.body), duplicate: true }) };
}
