/**
 * Flags of the command line: those that every verb with a configuration takes, and how flags are read.
 * @module
 */

import { parseArgs } from "node:util";
import { ConfigError } from "../config/issue.ts";
import type { ConfigFlags } from "../config/load.ts";
import { nearest } from "../config/suggest.ts";
import type { CliIo } from "./io.ts";

/** One flag. */
export interface FlagSpec {
  /** How its value is called in the help text; a flag without one is on or off. */
  readonly value?: string;
  readonly text: string;
}

/** Name, without the dashes, to what it does. */
export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

/** Flags of every verb that works with a configuration; each wins over the environment and the file. */
export const configFlagSpecs = {
  config: { value: "FILE", text: "Configuration file (or WEIR_CONFIG); without one the defaults hold" },
  port: { value: "N", text: "Port of the daemon (server.port)" },
  "admin-port": { value: "N", text: "Port of the admin listener (admin.port)" },
  "data-dir": { value: "DIR", text: "Folder for everything that is stored (data_dir)" },
  "log-format": { value: "json|pretty", text: "Form of log lines (log.format)" },
  "log-level": { value: "LEVEL", text: "error, warn, info or debug (log.level)" },
} as const satisfies FlagSpecs;

const helpSpec = { help: { text: "Show this text" } } as const satisfies FlagSpecs;

/** The command line was used wrongly. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** EX_USAGE of sysexits. */
  readonly exitCode = 64;
}

/** Arguments, taken apart. */
export interface ParsedFlags<S extends FlagSpecs> {
  /** Values of the flags that take one. */
  readonly values: Partial<Record<keyof S, string>>;
  /** Flags that are on. */
  readonly on: ReadonlySet<keyof S | "help">;
  /** What stands beside the flags. */
  readonly operands: readonly string[];
}

/**
 * Takes arguments apart; `--help` is known to every verb.
 *
 * @throws UsageError for an unknown flag, a missing or superfluous value, or a flag that is given twice
 */
export function parseFlags<S extends FlagSpecs>(args: readonly string[], specs: S): ParsedFlags<S> {
  const known: FlagSpecs = { ...specs, ...helpSpec };
  const options = Object.fromEntries(
    Object.entries(known).map(([name, { value }]) => [name, { type: value ? "string" : "boolean" } as const]),
  );
  // Not strict: the texts of strict mode name neither the nearest flag nor what its value is.
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Record<string, string> = {};
  const on = new Set<string>();
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const { name, rawName, value, inlineValue } = token;
    if (!Object.hasOwn(known, name)) throw unknownFlag(rawName, known);
    if (Object.hasOwn(values, name) || on.has(name)) throw new UsageError(`${rawName} is given twice`);
    const wanted = known[name].value;
    if (wanted === undefined) {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
      on.add(name);
    } else {
      const forgotten = value === undefined || (!inlineValue && value.startsWith("--"));
      if (forgotten) throw new UsageError(`${rawName} needs a value: ${rawName} ${wanted}`);
      values[name] = value;
    }
  }
  return { values: values as ParsedFlags<S>["values"], on: on as ParsedFlags<S>["on"], operands };
}

/** The shared flags as the loader takes them. */
export function configFlagsOf(values: Partial<Record<keyof typeof configFlagSpecs, string>>): ConfigFlags {
  const flags = {
    config: values.config,
    port: values.port,
    adminPort: values["admin-port"],
    dataDir: values["data-dir"],
    logFormat: values["log-format"],
    logLevel: values["log-level"],
  };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

/** One line a flag, for help texts. */
export function describeFlags(specs: FlagSpecs): string {
  const rows = Object.entries({ ...specs, ...helpSpec } as FlagSpecs)
    .map(([name, { value, text }]) => [`--${name}${value ? ` ${value}` : ""}`, text]);
  const width = Math.max(...rows.map(([flag]) => flag.length));
  return rows.map(([flag, text]) => `  ${flag.padEnd(width)}  ${text}\n`).join("");
}

/**
 * Tells a wrong command line or configuration, and gives the exit code for it.
 *
 * @throws the error itself, when it is neither
 */
export function reportFailure(error: unknown, io: CliIo): number {
  if (error instanceof UsageError) {
    io.stderr(`weir: ${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof ConfigError) {
    io.stderr(`${error.message}\n`);
    return error.exitCode;
  }
  throw error;
}

function unknownFlag(rawName: string, known: FlagSpecs): UsageError {
  const wanted = nearest(rawName.replace(/^-+/, ""), Object.keys(known));
  return new UsageError(`Unknown flag ${rawName}${wanted === undefined ? "" : `: did you mean --${wanted}`}`);
}
