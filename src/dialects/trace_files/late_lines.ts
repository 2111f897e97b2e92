/**
 * Lines of the log that nobody waits for: those of some moments are written together. Each one wakes up whoever reads
 * the log, and a timer for each costs more than the line.
 * @module
 */

/** How long a line waits at most, in ms. */
const delayMs = 20;

/** Lines that are to be written soon, and at the latest when this is disposed of. */
export class LateLines implements Disposable {
  #writes: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Writes a line in one of the next turns, in the order in which they came. */
  add(write: () => void): void {
    this.#writes.push(write);
    this.#timer ??= setTimeout(() => this.#writeAll(), delayMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#writeAll();
  }

  #writeAll(): void {
    const writes = this.#writes;
    this.#writes = [];
    this.#timer = undefined;
    for (const write of writes) write();
  }
}
