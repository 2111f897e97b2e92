/**
 * Rows that are not to be taken although they are well-formed: blocked addresses and profiles, revenue without a
 * secret (contract `track`, 1.3 and Decision 12). Asked for each row, also of a batch.
 * @module
 */

import { isObject } from "../../index/merge.ts";
import type { TrackRow } from "./schema.ts";
import type { SenderGuard } from "./sender.ts";

/** Which guard keeps a row out, and its words. */
export interface GuardProblem {
  readonly guard: "ip" | "profile" | "revenue";
  readonly message: string;
}

/**
 * What keeps a row out; undefined when nothing does.
 * @param sent The row as it was sent: a profile id that is a number is never blocked.
 */
export function guardProblem(
  guard: SenderGuard,
  row: TrackRow,
  sent: unknown,
): GuardProblem | undefined {
  const payload = isObject(sent) && isObject(sent.payload) ? sent.payload : {};
  const properties = isObject(payload.properties) ? payload.properties : {};
  const isTrack = row.type === "track";
  if (guard.isBlockedIp || (isTrack && isIn(guard.blockedIps, properties.__ip))) {
    return { guard: "ip", message: "IP address is blocked by project filter" };
  }
  const identity = isTrack && isObject(properties.__identify) ? properties.__identify.profileId : undefined;
  if (isIn(guard.blockedProfileIds, payload.profileId) || isIn(guard.blockedProfileIds, identity)) {
    return { guard: "profile", message: "Profile id is blocked by project filter" };
  }
  if (isTrack && properties.__revenue !== undefined && !guard.allowsRevenue) {
    return { guard: "revenue", message: "Revenue tracking is not allowed without a client secret" };
  }
  return undefined;
}

function isIn(names: ReadonlySet<string>, value: unknown): boolean {
  return typeof value === "string" && names.has(value);
}
