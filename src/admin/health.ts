/**
 * What the daemon says of its own state.
 * @module
 */

/** One part of the daemon, as `/healthz` shows it. */
export interface Check {
  readonly name: string;
  /** `failing` makes the daemon not ready; `degraded` is told, and requests are taken. */
  readonly state: "ok" | "degraded" | "failing";
  /** For people; no path, no payload. */
  readonly reason?: string;
  /** Figures worth seeing at three in the morning. */
  readonly figures?: Readonly<Record<string, number | string>>;
}

/** The state of the whole. */
export interface Health {
  readonly ready: boolean;
  readonly checks: readonly Check[];
}

/** Puts the checks together: ready while none of them fails. */
export function judge(checks: readonly Check[]): Health {
  return { ready: checks.every((check) => check.state !== "failing"), checks };
}
