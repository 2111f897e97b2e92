/**
 * Where an event belongs: a device, and a session of it.
 * @module
 */

import type { Session } from "../../sessions/session.ts";

/** A device and the session that an event of it belongs to. */
export interface Whereabouts {
  readonly deviceId: string;
  /** "" where the contract gives no session (Decision 6). */
  readonly sessionId: string;
}

/** Where an event belongs, and what is known of its session. */
export interface Located {
  readonly where: Whereabouts;
  /** Undefined where there is no session. */
  readonly session: Session | undefined;
}

/** `__deviceId` as a device; undefined when it is none: a text of 1 to 64 characters once trimmed. */
export function explicitDevice(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const trimmed = value.trim();
  return trimmed.length >= 1 && trimmed.length <= 64 ? trimmed : undefined;
}
