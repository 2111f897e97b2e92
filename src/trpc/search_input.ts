/**
 * The `input` parameter of a query call: found in an address, and put back into it with the rest as it was.
 * @module
 */

import type { TrpcCall } from "./call.ts";
import { normalizeInput, type TrpcRules, type TrpcVerdict } from "./normalize.ts";

/** A query to send on: the one given, or one with another input. */
export interface SearchVerdict {
  readonly verdict: TrpcVerdict;
  /** With its question mark; "" where there is none. */
  readonly search: string;
}

/** Judges the `input` of a call that has it in its address. */
export function normalizeSearch(search: string, call: TrpcCall, rules: TrpcRules = {}): SearchVerdict {
  const parts = search.replace(/^\?/, "").split("&");
  const at = parts.findIndex((part) => nameOf(part) === "input");
  const text = at < 0 ? "" : valueOf(parts[at]);
  // Version 11 takes a call without inputs as it is.
  if (text === "" && (!call.isBatch || rules.version !== 10)) {
    return { verdict: { action: "unchanged" }, search };
  }
  const verdict = normalizeInput(text, call, rules);
  if (verdict.action !== "normalized") return { verdict, search };
  const part = `input=${encodeURIComponent(verdict.text)}`;
  if (at < 0) parts.push(part);
  else parts[at] = part;
  return { verdict, search: `?${parts.filter((part) => part !== "").join("&")}` };
}

function nameOf(part: string): string {
  return [...new URLSearchParams(part).keys()][0] ?? "";
}

function valueOf(part: string): string {
  return [...new URLSearchParams(part).values()][0] ?? "";
}
