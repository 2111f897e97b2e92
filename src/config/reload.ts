/**
 * What a running daemon can take over from a changed configuration, and what needs a restart.
 * @module
 */

import { findConflicts } from "./cross_checks.ts";
import type { Config } from "./schema.ts";
import { settings, settingValue } from "./settings.ts";

/** Settings that change while the daemon runs; `section.*` stands for all of a section. */
const liveSettings = [
  "server.cors_origins",
  "server.trusted_proxies",
  "limits.*",
  "traces.idle_ms",
  "flush.interval_ms",
  "flush.journal_bytes",
  "quarantine.*",
  "retention.*",
  "track.*",
  "test_events.*",
  "trace_files.max_batch_size",
  "trace_files.max_body_bytes",
  "trace_files.max_file_bytes",
  "trace_files.names",
  "trace_files.max_trace_files",
  "trace_files.max_file_age_ms",
  "sessions.*",
  "disk.*",
  "log.level",
  "auth.*",
] as const;

/** What a reload does. Settings that did not change are in neither list. */
export interface ReloadPlan {
  /** Settings that change at once, by path. */
  readonly apply: readonly string[];
  /** Settings that keep their value until a restart. */
  readonly restart: readonly string[];
  /** What the daemon runs with from then on: the current configuration with `apply` taken from the next one. */
  readonly config: Config;
}

/** Does a change of this setting reach a running daemon? */
export function isReloadable(path: string): boolean {
  return liveSettings.some((live) =>
    live.endsWith(".*") ? path.startsWith(live.slice(0, -1)) : path === live
  );
}

/**
 * Compares two valid configurations. Where the live changes without the others would make a daemon that must not
 * run, such as one that is open to the network without credentials, all of them wait for the restart.
 */
export function planReload(current: Config, next: Config): ReloadPlan {
  const changed = settings.map(({ path }) => path).filter((path) => !sameValue(current, next, path));
  const apply = changed.filter(isReloadable);
  const config = structuredClone(current);
  for (const path of apply) take(config, next, path);
  if (findConflicts(config, () => false).length > 0) {
    return { apply: [], restart: changed, config: structuredClone(current) };
  }
  return { apply, restart: changed.filter((path) => !isReloadable(path)), config };
}

/** Values are plain JSON, and both come from the same schema, which fixes the order of keys. */
function sameValue(a: Config, b: Config, path: string): boolean {
  return JSON.stringify(settingValue(a, path)) === JSON.stringify(settingValue(b, path));
}

function take(into: Config, from: Config, path: string): void {
  const keys = path.split(".");
  const last = keys.pop() as string;
  let at = into as unknown as Record<string, unknown>;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  at[last] = structuredClone(settingValue(from, path));
}
