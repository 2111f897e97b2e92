/**
 * The table of settings, for docs/.
 * @module
 */

import { isReloadable } from "./reload.ts";
import { settings } from "./settings.ts";

/** One row of the table. */
export interface SettingRow {
  readonly path: string;
  /** As in the file's JSON form; sizes in bytes. */
  readonly default: unknown;
  readonly description: string;
  /** Does a reload (SIGHUP) change it in a running daemon? */
  readonly reloadable: boolean;
}

/** Every setting, in the order of the schema. */
export function settingsTable(): SettingRow[] {
  return settings.map(({ path, default: fallback, description }) => {
    return { path, default: fallback, description, reloadable: isReloadable(path) };
  });
}
