/**
 * Puts the configuration together: flags over environment over file over defaults; all or nothing.
 * @module
 */

import { checkTree } from "./check.ts";
import { ConfigError, type ConfigIssue, type ConfigPath } from "./issue.ts";
import { applyEnvironment, applyFlags } from "./overrides.ts";
import { maxConfigFileBytes, readConfigFile } from "./read_config_file.ts";
import type { Config } from "./schema.ts";
import { settings } from "./settings.ts";
import { isMapping, SettingTree } from "./setting_tree.ts";
import { readYamlLayer } from "./yaml_layer.ts";

/** The flags that concern the configuration, as they were given. */
export interface ConfigFlags {
  /** Path of the file. @default WEIR_CONFIG, else no file */
  readonly config?: string;
  readonly port?: string | number;
  readonly adminPort?: string | number;
  readonly dataDir?: string;
  readonly logFormat?: string;
  readonly logLevel?: string;
}

/** What a configuration is put together from. */
export interface LoadOptions {
  readonly args: ConfigFlags;
  readonly env: Readonly<Record<string, string>>;
  /** Gives a file's bytes or throws what the system says. @default {@link readConfigFile} */
  readonly readFile?: (path: string) => Uint8Array;
}

/** A configuration that may be used. */
export interface LoadedConfig {
  readonly config: Config;
  /** For each setting: `default`, `file:line`, `env NAME` or `flag --name`. */
  readonly origins: Readonly<Record<string, string>>;
  /** Path of the file, where there is one. */
  readonly file?: string;
  /** What is allowed and still hardly meant. */
  readonly warnings: readonly ConfigIssue[];
}

/**
 * Reads and checks every layer.
 *
 * @throws ConfigError with everything that is wrong
 */
export function loadConfig({ args, env, readFile = readConfigFile }: LoadOptions): LoadedConfig {
  const tree = new SettingTree();
  const file = args.config ?? (env.WEIR_CONFIG || undefined);
  const brokenLine = file === undefined ? Infinity : applyFile(tree, { file, env, readFile });
  applyEnvironment(tree, env);
  applyFlags(tree, args);
  const { config, issues, warnings } = checkTree(tree, brokenLine);
  if (config === undefined) throw new ConfigError(inOrder(issues));
  return {
    config,
    origins: originsIn(tree),
    warnings: inOrder(warnings),
    ...(file === undefined ? {} : { file }),
  };
}

/** Reads the file into the tree; gives the line of its first syntax error, or Infinity. */
function applyFile(
  tree: SettingTree,
  { file, env, readFile }: { file: string } & Required<Pick<LoadOptions, "env" | "readFile">>,
): number {
  const text = textOf(file, readFile);
  const brokenLine = readYamlLayer(tree, { text, file, env, originOf: (line) => `${file}:${line}` });
  if (!isMapping(tree.root)) {
    const place = tree.placeOf([]);
    // What stands in the file is no configuration at all: one issue says so, and the layers above are still read.
    if (brokenLine === Infinity) tree.report([], { place, message: "Must be a mapping of sections" });
    tree.set([], {});
  }
  return brokenLine;
}

/** @throws ConfigError when the file cannot be read, is too large or is not UTF-8 */
function textOf(file: string, readFile: (path: string) => Uint8Array): string {
  const fail = (message: string, cause?: unknown): ConfigError =>
    new ConfigError([{ file, line: 0, col: 0, path: "", message }], { cause });
  let bytes: Uint8Array;
  try {
    bytes = readFile(file);
  } catch (cause) {
    throw fail(`Cannot read the configuration file: ${reasonOf(cause)}`, cause);
  }
  if (bytes.length > maxConfigFileBytes) {
    throw fail(`Cannot use the configuration file: it must not be larger than ${maxConfigFileBytes} bytes`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw fail("Cannot use the configuration file: it must be UTF-8", cause);
  }
}

/** The system's own texts repeat the path, which may be absolute. */
function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  return error instanceof Error ? error.name : "unknown reason";
}

/** Files by line, then what has no line, in the order in which it was found. */
function inOrder(issues: readonly ConfigIssue[]): ConfigIssue[] {
  const rank = (issue: ConfigIssue): number => issue.line === 0 ? Infinity : issue.line;
  return issues.toSorted((a, b) => rank(a) === rank(b) ? a.col - b.col : rank(a) - rank(b));
}

function originsIn(tree: SettingTree): Record<string, string> {
  return Object.fromEntries(settings.map(({ path }) => {
    const keys: ConfigPath = path.split(".");
    return [path, tree.placeOf(keys)?.origin ?? "default"];
  }));
}
