/**
 * A tree of calls as lines for a terminal.
 * @module
 */

import type { Call, CallState } from "../traces/call_tree.ts";

/** How a tree is shown. */
export interface CallLinesOptions {
  /** Characters of arguments, and of what came back. */
  readonly maxValue: number;
  /** Calls deeper than this are counted, not shown; from 1. */
  readonly maxDepth: number;
  /** Lines; what is left is counted. */
  readonly maxLines: number;
}

/** What stands behind a call that did not simply return. */
const endings: Readonly<Record<CallState, string>> = {
  returned: "",
  threw: "",
  unfinished: "  [never ended]",
  stray: "  [an end without a begin]",
  mark: "",
};
// deno-lint-ignore no-control-regex -- these are what must not reach the terminal
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** One line a call, those that it called below it. */
export function* callLines(
  calls: readonly Call[],
  options: CallLinesOptions,
): Generator<string, void, undefined> {
  let lines = 0, hidden = 0;
  // A stack of one's own: a trace nests deeper than this language does.
  const stack = calls.toReversed().map((call, i) => ({ call, depth: 1, front: "", isLast: i === 0 }));
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const { call, depth, front, isLast } = at;
    if (lines === options.maxLines || depth > options.maxDepth) {
      hidden++;
      for (const child of call.children) {
        stack.push({ call: child, depth: depth + 1, front: "", isLast: false });
      }
      continue;
    }
    lines++;
    const isRoot = depth === 1;
    yield front + (isRoot ? "" : isLast ? "└─ " : "├─ ") + lineOf(call, options.maxValue);
    const below = isRoot ? "" : front + (isLast ? "   " : "│  ");
    call.children.toReversed().forEach((child, i) =>
      stack.push({ call: child, depth: depth + 1, front: below, isLast: i === 0 })
    );
  }
  if (hidden > 0) yield `… and ${hidden} more calls`;
}

/** Text that cannot move the cursor or colour what follows, in at most so many characters. */
export function plainText(text: string, maxCharacters: number): string {
  const plain = text.replace(controls, (char) => char === "\n" || char === "\t" ? " " : "\ufffd");
  if (plain.length <= maxCharacters) return plain;
  return plain.slice(0, maxCharacters - 1).toWellFormed() + "…";
}

function lineOf(call: Call, maxValue: number): string {
  const { fn, state, args, returnValue, error, unawaited, outlivesCaller } = call;
  const name = plainText(fn ?? "(anonymous)", 200);
  const values = Array.isArray(args) ? args.map(jsonOf).join(", ") : args === undefined ? "" : jsonOf(args);
  const given = state === "mark" || state === "stray" ? "" : `(${plainText(values, maxValue)})`;
  const came = state === "threw"
    ? ` ✗ ${plainText(errorText(error), maxValue)}`
    : returnValue === undefined || returnValue === null
    ? ""
    : ` → ${plainText(jsonOf(returnValue), maxValue)}`;
  const notes = (unawaited ? "  [not awaited]" : "") + (outlivesCaller ? "  [ended after its caller]" : "");
  return `${name}${given}${came}${durationOf(call)}${endings[state]}${notes}${placeOf(call)}`;
}

function durationOf({ enteredAt, exitedAt }: Call): string {
  if (enteredAt === undefined || exitedAt === undefined) return "";
  return `  ${Math.round((exitedAt - enteredAt) * 10) / 10} ms`;
}

/** File and line, without the folders. */
function placeOf({ file, line }: Call): string {
  if (file === undefined) return "";
  const name = plainText(file.slice(file.lastIndexOf("/") + 1), 100);
  return `  ${name}${line === undefined ? "" : `:${line}`}`;
}

function errorText(error: unknown): string {
  const { name, message } = (error ?? {}) as { name?: unknown; message?: unknown };
  const words = [name, message].filter((each) => typeof each === "string" && each !== "");
  return words.length > 0 ? words.join(": ") : error === undefined ? "threw" : jsonOf(error);
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value) ?? "";
}
