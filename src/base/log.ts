/**
 * Logs: one JSON object a line, or one readable line for people. No payload, secret or absolute path goes in.
 * @module
 */

import type { Clock } from "./clock.ts";

/** From quiet to loud. */
export const logLevels = ["error", "warn", "info", "debug"] as const;
/** One of {@link logLevels}. */
export type LogLevel = (typeof logLevels)[number];

/** Every field that a log line may carry, with its meaning; docs/logs.md is made from it. */
export const logFields = {
  time: "When, ISO 8601, UTC",
  level: "error, warn, info or debug",
  message: "What happened; a fixed text for each kind of line",
  address: "Host and port a listener has",
  bytes: "Size of what the line speaks of",
  checkpoint: "Number of the flush's checkpoint",
  code: "Word from the table of errors",
  count: "How many",
  dialect: "Wire protocol of the request",
  duration_ms: "How long it took",
  error: "Text of an error, with those that caused it",
  failed: "How many of the count failed",
  file: "Path below data_dir, or the configuration file's name",
  key: "Path of a setting",
  method: "HTTP method",
  offset: "Byte position in a file",
  pid: "Process id of the daemon",
  reason: "Why",
  request_id: "From the request-id header, else made by the daemon",
  route: "Pattern of the route, never the path as sent",
  rows: "Rows that the line speaks of",
  segment: "Number of a journal segment",
  signal: "Name of a signal",
  status: "HTTP status of the reply",
  success_rate: "Share of the count that succeeded, from 0 to 1",
  version: "Version of Weir",
} as const;

/** The fields of one line besides time, level and message. */
export type LogFields = Partial<
  Record<Exclude<keyof typeof logFields, "time" | "level" | "message">, unknown>
>;

/** Where log lines go. */
export interface Log {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** From here on, lines quieter than this level are dropped. */
  setLevel(level: LogLevel): void;
}

/** How {@link createLog} writes. */
export interface LogOptions {
  /** @default "info" */
  level?: LogLevel;
  /** `json` for machines, `pretty` for people. @default "json" */
  format?: "json" | "pretty";
  clock: Clock;
  /** Takes one line, without its line break. @default standard error */
  write?: (line: string) => void;
}

const encoder = new TextEncoder();

/** A log that writes one line for each call whose level is on. */
export function createLog(options: LogOptions): Log {
  const write = options.write ?? writeToStderr;
  const format = options.format === "pretty" ? prettyLine : jsonLine;
  let loudest = logLevels.indexOf(options.level ?? "info");
  const line = (level: LogLevel) => (message: string, fields: LogFields = {}): void => {
    if (logLevels.indexOf(level) > loudest) return;
    write(format(new Date(options.clock.now()).toISOString(), level, message, fields));
  };
  return {
    error: line("error"),
    warn: line("warn"),
    info: line("info"),
    debug: line("debug"),
    setLevel(level: LogLevel): void {
      loudest = logLevels.indexOf(level);
    },
  };
}

/** What {@link describeError} gives of one error at most, in characters. */
const maxErrorText = 1_000;
/** An absolute path in quotes, up to its last piece; it may hold spaces. */
const quotedFolder = /(?<=['"`])(?:file:\/\/)?(?:[A-Za-z]:)?[\\/][^'"`\n]*[\\/](?=[^'"`\n]*['"`])/g;
/** An absolute path without quotes, up to its last piece; the path of an http address is none. */
const bareFolder = /(?:file:\/\/|(?<![\w.:\\/-]))(?:[A-Za-z]:)?[\\/](?:[^\\/\s'"`]+[\\/])+/g;
/** What `JSON.parse` quotes of the text it was given. */
const quotedJson = /(?:, )?(?:\.\.\.)?".*"(?:\.\.\.)? is not valid JSON/s;

/**
 * The text of an error and of what caused it, in one line. Absolute paths lose their folders, and a text that is
 * no JSON is not quoted.
 */
export function describeError(error: unknown): string {
  const texts: string[] = [];
  for (let at = error; at !== undefined && at !== null && texts.length < 5;) {
    const text = at instanceof Error ? `${at.name}: ${at.message}` : String(at);
    texts.push(
      text.slice(0, maxErrorText).replace(quotedFolder, "").replace(bareFolder, "").replace(
        quotedJson,
        " is not valid JSON",
      ),
    );
    at = at instanceof Error ? at.cause : undefined;
  }
  return texts.join("; because of ").replace(/\s*[\r\n]\s*/g, " ");
}

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  return JSON.stringify({ time, level, message, ...fields });
}

function prettyLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`).join("");
  return `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${message}${rest}`;
}

/** Logging never changes a result: a closed standard error is no reason to fail. */
function writeToStderr(line: string): void {
  const bytes = encoder.encode(line + "\n");
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
  } catch {
    return;
  }
}
