/**
 * What a window of rows asks the other daemons, in one round trip.
 * @module
 */

import type { Session } from "./session.ts";
import type { Questions } from "./session_book.ts";

/** Live events of one device. */
export interface Joining {
  /** The session that they would begin. */
  readonly candidate: Session;
  /** Of the first and the last of them. */
  earliest: number;
  latest: number;
}

/** Questions of one window. */
export class WindowQuestions implements Questions {
  /** By the owner of the device. */
  readonly joins = new Map<string, Joining>();
  /** Sessions of old events whose first event here this is. */
  readonly begins = new Set<Session>();
  get isEmpty(): boolean {
    return this.joins.size + this.begins.size === 0;
  }

  add(session: Session, { time }: { readonly time: number }, isLive: boolean): void {
    if (!isLive) {
      this.begins.add(session);
      return;
    }
    const owner = ownerOf(session);
    const known = this.joins.get(owner);
    if (known === undefined) this.joins.set(owner, { candidate: session, earliest: time, latest: time });
    else if (time < known.earliest) {
      this.joins.set(owner, { candidate: session, earliest: time, latest: known.latest });
    } else known.latest = Math.max(known.latest, time);
  }
}

/** What the keys of a session's device are told apart by. */
export function ownerOf({ project, deviceId }: { project: string; deviceId: string }): string {
  return `${project.length}:${project}${deviceId}`;
}
