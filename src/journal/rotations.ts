/**
 * Rotations that were asked for: each waits for what was appended before it.
 * @module
 */

import type { WeirError } from "../base/errors.ts";

interface Rotation {
  /** Frames with lower numbers were appended before it. */
  readonly upTo: number;
  resolve(segment: number): void;
  reject(error: WeirError): void;
}

/** In the order in which they were asked for. */
export class Rotations {
  #waiting: Rotation[] = [];

  /** Frames with lower numbers were appended before the first of them; undefined when there is none. */
  get first(): number | undefined {
    return this.#waiting[0]?.upTo;
  }

  /** As {@link first}, of the last one. */
  get last(): number | undefined {
    return this.#waiting.at(-1)?.upTo;
  }

  /** Resolves to the number of the segment. @param upTo Number of the next frame. */
  add(upTo: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#waiting.push({ upTo, resolve, reject });
    return promise;
  }

  /** Resolves those for which the frames below `settled` are enough; returns whether there were any. */
  resolve(settled: number, segment: number): boolean {
    const done = this.#waiting.filter(({ upTo }) => upTo <= settled);
    this.#waiting = this.#waiting.slice(done.length);
    for (const rotation of done) rotation.resolve(segment);
    return done.length > 0;
  }

  /** There is no segment for any of them. */
  reject(error: WeirError): void {
    for (const rotation of this.#waiting.splice(0)) rotation.reject(error);
  }
}
