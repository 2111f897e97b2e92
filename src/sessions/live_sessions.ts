/**
 * Which session an event belongs to (contract `track`, Decisions 5, 6 and 7).
 * @module
 */

import type { Session } from "./session.ts";
import type { SessionBook } from "./session_book.ts";
import { sessionBucket, sessionId } from "./session_id.ts";

/** An event, as far as it matters here. */
export interface EventAt {
  readonly project: string;
  readonly deviceId: string;
  /** Of the event, ms since the epoch. */
  readonly time: number;
  readonly arrivedAt: number;
}

/**
 * The session of an event. A live one comes to the live session of its device, which it begins where there is none;
 * an older one to the session of its bucket. Both name sessions alike, so that a session that began live and one
 * that is made of old events are the same where they share a bucket.
 */
export function joinSession(book: SessionBook, event: EventAt): Session {
  const { project, deviceId, time } = event;
  const { timeoutMs } = book.settings;
  const isLive = isLiveAt(event, timeoutMs);
  const live = isLive ? book.liveOf(project, deviceId) : undefined;
  if (live?.takesLive(time, timeoutMs)) {
    live.seenT = Math.max(live.seenT, time);
    return live;
  }
  const id = sessionId(project, deviceId, sessionBucket(time, timeoutMs));
  const session = book.open({ id, project, deviceId });
  if (isLive) {
    book.makeLive(session);
    session.seenT = Math.max(session.seenT, time);
  }
  return session;
}

/** Is the event young enough to be part of what is going on? */
export function isLiveAt(
  { time, arrivedAt }: Pick<EventAt, "time" | "arrivedAt">,
  timeoutMs: number,
): boolean {
  return arrivedAt - time <= timeoutMs;
}
