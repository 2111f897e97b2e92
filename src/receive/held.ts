/**
 * What a request holds on to until it is answered.
 * @module
 */

/** Gives back what it holds, the last first, once: a `DisposableStack` at a fraction of its price. */
export class Held implements Disposable {
  #items: Disposable[];

  constructor(...items: Disposable[]) {
    this.#items = items;
  }

  /** Holds on to something more. */
  use<T extends Disposable>(item: T): T {
    this.#items.push(item);
    return item;
  }

  /** All of it in another's hands: nothing is held here any more. */
  move(): Held {
    const moved = new Held(...this.#items);
    this.#items = [];
    return moved;
  }

  [Symbol.dispose](): void {
    const item = this.#items.pop();
    if (item === undefined) return;
    try {
      item[Symbol.dispose]();
    } finally {
      this[Symbol.dispose]();
    }
  }
}
