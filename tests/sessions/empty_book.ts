/**
 * A book of sessions over no catalog, for tests that need one and look at something else.
 * @module
 */

import type { Clock } from "../../src/base/clock.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import type { SessionReader } from "../../src/index/session_keeper.ts";
import { SessionBook, type SessionSettings } from "../../src/sessions/session_book.ts";

/** Nothing was ever flushed. */
export const noCatalog: SessionReader = { session: () => undefined, openSessions: () => [] };

/** The defaults of the configuration. */
export const defaultSettings: SessionSettings = { timeoutMs: 30 * 60_000, backlogCloseMs: 5 * 60_000 };

/** An empty book. */
export function emptyBook(clock: Clock, options: { settings?: SessionSettings } = {}): SessionBook {
  const { settings = defaultSettings } = options;
  return new SessionBook({ catalog: noCatalog, clock, metrics: createMetrics(), settings: () => settings });
}
