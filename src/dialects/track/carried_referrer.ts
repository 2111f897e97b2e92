/**
 * The referrer of a session on its later events (contract `track`, 4.1).
 * @module
 */

import type { Session } from "../../sessions/session.ts";

/** Characters that are carried at most: a row must not be much larger than it was sent. */
const maxCarried = 2_000;

/**
 * Columns of an event's page with those of its session's referrer, where it has none of its own; the first one that
 * has one gives it to the session. All are JSON members, each with a leading comma, the referrer's last.
 */
export function carryReferrer(page: string, session: Session | undefined): string {
  if (session === undefined) return page;
  const at = page.indexOf(',"referrer');
  if (at < 0) return page + session.referrer;
  if (session.referrer === "" && page.length - at <= maxCarried) session.referrer = page.slice(at);
  return page;
}
