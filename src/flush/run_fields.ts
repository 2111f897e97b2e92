/**
 * Reads proto3 JSON as senders write it: names in either case, enums as names or numbers, times in either form.
 * @module
 */

import type { RunAttachment, RunStatus } from "./run_model.ts";

/** A message's members under their lowerCamelCase names. */
export type Fields = Readonly<Record<string, unknown>>;

const statuses = [
  ...["UNKNOWN", "PASSED", "FAILED", "SKIPPED", "BROKEN", "TIMEDOUT", "INTERRUPTED", "RUNNING", "NOT_RUN"],
] as const;
const suiteTypes = ["ROOT", "PROJECT", "SUBSUITE", "FILE"];
/** Longer texts are cut in the model; the events keep them whole. */
const maxTextCharacters = 10_000;

/** The members of a message; none where it is no object. */
export function fieldsOf(value: unknown): Fields {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return {};
  const fields: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const camel = name.includes("_") ? name.replace(/_([a-z0-9])/g, (_, c) => c.toUpperCase()) : name;
    if (camel !== "__proto__") fields[camel] = member;
  }
  return fields;
}

export function text(value: unknown): string {
  return typeof value === "string" ? value.slice(0, maxTextCharacters) : "";
}

export function texts(value: unknown): string[] {
  return list(value).filter((each) => typeof each === "string").map(text);
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** An int32 or int64, which JSON may hold as text. */
export function integer(value: unknown): number | undefined {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) ? number : undefined;
}

export function status(value: unknown): RunStatus | undefined {
  if (typeof value === "number") return statuses[value] ?? "UNKNOWN";
  if (typeof value !== "string") return undefined;
  return (statuses as readonly string[]).includes(value) ? value as RunStatus : "UNKNOWN";
}

export function suiteType(value: unknown): string {
  return typeof value === "number" ? suiteTypes[value] ?? "ROOT" : text(value) || "ROOT";
}

/** A Timestamp as ISO 8601 to the ms; null where there is none. */
export function timestamp(value: unknown): string | null {
  if (typeof value === "string") return isoOf(Date.parse(value));
  const { seconds, nanos } = fieldsOf(value);
  const whole = integer(seconds);
  return whole === undefined ? null : isoOf(whole * 1_000 + Math.floor((integer(nanos) ?? 0) / 1e6));
}

/** A Duration in ms; null where there is none. */
export function duration(value: unknown): number | null {
  if (typeof value === "string") {
    const match = /^(-?\d+(?:\.\d+)?)s$/.exec(value);
    return match === null ? null : Number(match[1]) * 1_000;
  }
  const { seconds, nanos } = fieldsOf(value);
  if (seconds === undefined && nanos === undefined) return null;
  return (integer(seconds) ?? 0) * 1_000 + (integer(nanos) ?? 0) / 1e6;
}

export function metadata(value: unknown): Record<string, string> {
  if (value === null || typeof value !== "object") return {};
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => typeof member === "string").map(([k, v]) => [k, text(v)]),
  );
}

export function attachment(value: unknown): RunAttachment {
  const { name, mimeType, uri, content } = fieldsOf(value);
  const bytes = typeof content === "string" ? Math.floor(content.replace(/=+$/, "").length * 3 / 4) : 0;
  return { name: text(name), mime_type: text(mimeType), uri: text(uri), bytes };
}

function isoOf(ms: number): string | null {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : null;
}
