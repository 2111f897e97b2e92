/**
 * Who sends events, as the way past the schema must know it.
 * @module
 */

import type { Located } from "./whereabouts.ts";

/** What must be known of a sender. */
export interface EventSender {
  readonly project: string;
  /** JSON members, each with a leading comma, that every row carries. */
  readonly columns: string;
  /** Device and session of an event; see `Sender`. */
  locate(time: number, arrivedAt: number, named: { explicit?: string }): Located;
  /** Is the event taken and not stored? Such a one is left to the schema's path. */
  dropsEvent(name: string): boolean;
  /** Profiles whose events are refused there; undefined when there are none. */
  readonly blockedProfileIds: ReadonlySet<string> | undefined;
  readonly isServer: boolean;
  /** Does a profile have a live session that a server's event would belong to? */
  hasLiveProfile(profileId: string): boolean;
  /** The times around `time` for which `locate` answers the same, as long as a live session takes events. */
  steadySpan(time: number, of: { isExplicit: boolean; isLive: boolean }): { since: number; until: number };
}
