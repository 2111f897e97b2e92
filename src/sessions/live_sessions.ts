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

/** The other daemons must be asked first: the event waits, nothing was written. */
export class UnknownSession extends Error {
  override readonly name = "UnknownSession";
}

/**
 * The session of an event. A live one comes to the live session of its device, which it begins where there is none;
 * an older one to the session of its bucket. Both name sessions alike, so that a session that began live and one
 * that is made of old events are the same where they share a bucket.
 *
 * Where daemons share sessions, some events must wait until the others were asked: then the answer is not final when
 * the book takes questions down.
 *
 * @throws UnknownSession where something must be asked and nobody takes it down
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
  if (book.sharing?.mustAsk(session, isLive)) {
    const { questions } = book;
    if (questions === undefined) throw new UnknownSession();
    questions.add(session, event, isLive);
    return session;
  }
  if (isLive) {
    book.makeLive(session);
    session.seenT = Math.max(session.seenT, time);
  }
  return session;
}

/** The id of the session that an event would belong to; nothing is begun by asking. */
export function sessionIdAt(book: SessionBook, event: EventAt): string {
  const { project, deviceId, time } = event;
  const { timeoutMs } = book.settings;
  const live = isLiveAt(event, timeoutMs) ? book.liveOf(project, deviceId) : undefined;
  if (live?.takesLive(time, timeoutMs)) return live.id;
  return sessionId(project, deviceId, sessionBucket(time, timeoutMs));
}

/** Is the event young enough to be part of what is going on? */
export function isLiveAt(
  { time, arrivedAt }: Pick<EventAt, "time" | "arrivedAt">,
  timeoutMs: number,
): boolean {
  return arrivedAt - time <= timeoutMs;
}
