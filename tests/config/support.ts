/**
 * Loads configurations from texts.
 * @module
 */

import { fail } from "@std/assert";
import { ConfigError, type ConfigIssue } from "../../src/config/issue.ts";
import { type ConfigFlags, loadConfig, type LoadedConfig } from "../../src/config/load.ts";

/** What stands above the file. */
export interface Above {
  readonly env?: Record<string, string>;
  readonly args?: ConfigFlags;
}

/** Loads this text as the file `weir.yaml`. */
export function loadText(text: string | Uint8Array, { env = {}, args = {} }: Above = {}): LoadedConfig {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return loadConfig({ args: { config: "weir.yaml", ...args }, env, readFile: () => bytes });
}

/** What is wrong with this text, as issues; fails where nothing is. */
export function issuesOf(text: string | Uint8Array, above: Above = {}): readonly ConfigIssue[] {
  return errorOf(() => loadText(text, above)).issues;
}

/** What is wrong with this text, as the lines that a person sees; fails where nothing is. */
export function linesOf(text: string | Uint8Array, above: Above = {}): string[] {
  return errorOf(() => loadText(text, above)).message.split("\n");
}

/** The configuration error that this throws; fails where it throws none. */
export function errorOf(load: () => unknown): ConfigError {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  fail("The configuration was taken");
}
