/**
 * A map of what comes and soon goes, such as the units on their way to the disk.
 * @module
 */

/**
 * A small map whose keys come and go all the time: it looks through its keys, and so is for some hundreds at the most.
 *
 * A `Map` is copied whenever as many keys have gone as it has room for. Each copy that has grown old keeps alive what
 * was in it, and the copy that followed, until all garbage is collected: here that was most of what a request leaves
 * behind.
 */
export class PassingMap<K, V> {
  readonly #keys: K[] = [];
  readonly #values: V[] = [];

  /** How many keys it has. */
  get size(): number {
    return this.#keys.length;
  }

  get(key: K): V | undefined {
    const i = this.#keys.indexOf(key);
    return i < 0 ? undefined : this.#values[i];
  }

  set(key: K, value: V): void {
    const i = this.#keys.indexOf(key);
    if (i >= 0) {
      this.#values[i] = value;
      return;
    }
    this.#keys.push(key);
    this.#values.push(value);
  }

  /** @returns whether the key was there */
  delete(key: K): boolean {
    const i = this.#keys.indexOf(key);
    if (i < 0) return false;
    const lastKey = this.#keys.pop() as K;
    const lastValue = this.#values.pop() as V;
    if (i < this.#keys.length) {
      this.#keys[i] = lastKey;
      this.#values[i] = lastValue;
    }
    return true;
  }

  /** In no order. Nothing may be set or deleted meanwhile. */
  keys(): Iterable<K> {
    return this.#keys.values();
  }
}
