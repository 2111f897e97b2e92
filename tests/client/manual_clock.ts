/**
 * A clock that stands until a test moves it.
 * @module
 */

import type { ClientClock } from "../../src/client/client_clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly holdsProcess: boolean;
  then(): void;
}

/** Time that passes only by {@link advance}. */
export class ManualClock implements ClientClock {
  #now = Date.UTC(2026, 0, 1);
  #order = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(ms: number, then: () => void, { holdsProcess }: { holdsProcess: boolean }): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, holdsProcess, then };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that run; those that keep a program alive are told apart. */
  get timers(): { all: number; holding: number } {
    const holding = [...this.#timers].filter((timer) => timer.holdsProcess).length;
    return { all: this.#timers.size, holding };
  }

  /** Moves on; what is due meanwhile is called in its order, and given its turns. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await turns();
      const [next] = [...this.#timers].filter(({ at }) => at <= until)
        .sort((a, b) => a.at - b.at || a.order - b.order);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.then();
    }
    this.#now = until;
    await turns();
  }
}

/** Lets everything go on that waits only for a promise which is settled. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
