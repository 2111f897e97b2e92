/**
 * Sessions by the second at which somebody must look at them.
 * @module
 */

import type { Session } from "./session.ts";

/**
 * Every session stands in at most one second, the one that its `dueS` names. Whoever takes it out puts it into a
 * later one when it turns out that its time has not come: so extending a session costs nothing.
 */
export class DueWheel {
  readonly #seconds = new Map<number, Set<Session>>();
  /** Nothing stands in a second before this one. */
  #from = Infinity;

  /** Puts a session into the second after this time (ms since the epoch), unless it stands in an earlier one. */
  put(session: Session, dueAt: number): void {
    const second = Math.max(1, Math.ceil(dueAt / 1000));
    if (session.dueS !== 0) {
      if (session.dueS <= second) return;
      this.remove(session);
    }
    session.dueS = second;
    const there = this.#seconds.get(second);
    if (there) there.add(session);
    else this.#seconds.set(second, new Set([session]));
    if (second < this.#from) this.#from = second;
  }

  /** Takes a session out. */
  remove(session: Session): void {
    const there = this.#seconds.get(session.dueS);
    there?.delete(session);
    if (there?.size === 0) this.#seconds.delete(session.dueS);
    session.dueS = 0;
  }

  /** Takes out up to `max` sessions whose second has come, the earliest first. */
  take(now: number, max: number): Session[] {
    const taken: Session[] = [];
    const last = Math.floor(now / 1000);
    if (this.#from > last) return taken;
    for (const second of [...this.#seconds.keys()].sort((a, b) => a - b)) {
      this.#from = second;
      if (second > last || taken.length >= max) return taken;
      this.#takeSecond(second, taken, max);
    }
    if (this.#seconds.size === 0) this.#from = Infinity;
    return taken;
  }

  /** Takes out the `count` sessions whose time comes first, though it has not come. */
  takeFirst(count: number): Session[] {
    return this.take(Infinity, count);
  }

  #takeSecond(second: number, taken: Session[], max: number): void {
    for (const session of this.#seconds.get(second) ?? []) {
      if (taken.length >= max) return;
      this.remove(session);
      taken.push(session);
    }
  }
}
