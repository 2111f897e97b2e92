/**
 * Entries of dialect `backend` (contract `backend`, section 2). What is used is checked, the rest is not looked at;
 * nothing is transformed, so that values can be copied from the entry's own bytes.
 * @module
 */

import { z } from "zod";
import { EntryRefusal } from "./refusal.ts";

/** An object of the entry: its own members by name. */
export type Members = Readonly<Record<string, unknown>>;

/** Is it an object, and no array? */
export function isObject(value: unknown): value is Members {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

const members = z.custom<Members>(isObject, "Invalid input: expected object");
const text = z.string().nullish();

const change = z.object({ collection: text, op: text });

const mail = z.object({
  provider: text,
  kind: text,
  subject: text,
  text,
  html: text,
  templateId: z.union([z.string(), z.number()]).nullish(),
});

const entry = z.object({
  actionId: z.union([z.string(), z.number(), z.boolean()]).nullish(),
  request: members.nullish(),
  db: z.array(change).nullish(),
  email: mail.nullish(),
});

/** An entry whose used members have the types they must have; traces and request ids are looked into later. */
export interface Entry extends Members {
  readonly actionId?: string | number | boolean | null;
  readonly request?: Members | null;
  readonly db?: readonly Change[] | null;
  readonly email?: Mail | null;
}

/** One item of `db[]`. */
export type Change = Members & z.output<typeof change>;
/** The member `email`. */
export type Mail = Members & z.output<typeof mail>;

/** So many problems of an entry are named. */
const maxNamed = 3;

/**
 * The value as an entry.
 * @param maxItems Changes, and wrapped batches, that one entry may hold; more are refused before they are looked at.
 * @throws EntryRefusal `validation`
 */
export function checkEntry(value: unknown, maxItems: number): Entry {
  if (isObject(value)) {
    checkLength(value, "db", maxItems);
    checkLength(value, "traceBatches", maxItems);
    if (isObject(value.request)) checkLength(value.request, "traceBatches", maxItems);
  }
  const checked = entry.safeParse(value);
  if (checked.success) return value as Entry;
  const { issues } = checked.error;
  const named = issues.slice(0, maxNamed).map(({ path, message }) =>
    ["entry", ...path].join("/") + " " + message
  );
  const more = issues.length > maxNamed ? [`and ${issues.length - maxNamed} more`] : [];
  throw new EntryRefusal("validation", [...named, ...more].join(", "));
}

function checkLength(source: Members, name: string, maxItems: number): void {
  const list = source[name];
  if (!Array.isArray(list) || list.length <= maxItems) return;
  throw new EntryRefusal(
    "validation",
    `Member ${name} must hold at most backend.max_entries items: ${maxItems}`,
  );
}
