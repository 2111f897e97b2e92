/**
 * Who may work at once: writers of one path take turns, and all together are no more than so many.
 * @module
 */

/** Work under the same key, one after the other, in the order in which it came. */
export class Turns {
  readonly #tails = new Map<string, Promise<void>>();

  /** Keys somebody works under or waits for. */
  get size(): number {
    return this.#tails.size;
  }

  /** Runs `work` when everything before it under this key has ended, however it ended. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tails.set(key, promise);
    await before;
    try {
      return await work();
    } finally {
      if (this.#tails.get(key) === promise) this.#tails.delete(key);
      resolve();
    }
  }
}

/** A number of places; who finds none waits in line. */
export class Places {
  #free: number;
  readonly #line: (() => void)[] = [];

  /** @param count How much work may run at once. */
  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` when there is a place for it. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#line.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
