/**
 * The kinds of fields that a configuration is made of. Each builder gives a zod schema that knows its
 * description and default, says in its error what is wanted, and is listed in {@link fieldFacts}.
 * @module
 */

import { isIP } from "node:net";
import { z } from "zod";

/** What the rest of the room must know of a field. */
export type FieldFacts =
  | { readonly kind: "section"; readonly fields: Readonly<Record<string, z.ZodType>> }
  | { readonly kind: "list"; readonly item: z.ZodType }
  | {
    readonly kind: "integer" | "size" | "boolean" | "choice" | "text";
    /** Its value is never shown. */
    readonly secret?: boolean;
  };

/** Facts of every field that a builder of this file made. */
export const fieldFacts: WeakMap<z.core.$ZodType, FieldFacts> = new WeakMap();

/** The longest time that `setTimeout` can wait for, in ms (24.8 days). A longer one would fire at once. */
export const maxTimerMs = 2_147_483_647;
/** Longest time that is only compared with clocks, in ms: about 100 years. */
export const maxSpanMs = 3_155_760_000_000;

const maxListItems = 10_000;
const sizePattern = /^(\d{1,15}(?:\.\d{1,6})?) ?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?$/;
const sizeUnits: Record<string, number> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/** A whole number. */
export function integer(
  text: string,
  options: { min: number; max: number; fallback: number },
): z.ZodDefault<z.ZodInt> {
  const { min, max, fallback } = options;
  const error = `Must be a whole number between ${min} and ${max}`;
  const schema = z.int({ error }).min(min, { error }).max(max, { error }).default(fallback).describe(text);
  return known(schema, { kind: "integer" });
}

/** A time in ms that a timer waits for. */
export function timer(text: string, options: { min?: number; fallback: number }): z.ZodDefault<z.ZodInt> {
  return integer(text, { min: options.min ?? 1, max: maxTimerMs, fallback: options.fallback });
}

/** A number of bytes: a whole number, or a text such as `64MiB`, `10 MB` or `256KiB`. The output is bytes. */
export function size(
  text: string,
  options: { min: number; max: number; fallback: number },
): z.ZodDefault<z.ZodType<number, number | string>> {
  const { min, max, fallback } = options;
  const error = `Must be a size such as 64MiB, or a number of bytes, between ${min} and ${max} bytes`;
  // A union passes on the error of its only branch of the right type, so that each branch says it too.
  const whole = z.int({ error }).min(min, { error }).max(max, { error });
  const given = z.union([whole, z.string().regex(sizePattern, { error })], { error });
  const bytes: z.ZodType<number, number | string> = given.transform(bytesOf).pipe(whole);
  return known(bytes.default(fallback).describe(text), { kind: "size" });
}

/** Yes or no. */
export function boolean(text: string, fallback: boolean): z.ZodDefault<z.ZodBoolean> {
  const schema = z.boolean({ error: "Must be true or false" }).default(fallback).describe(text);
  return known(schema, { kind: "boolean" });
}

/** One of several words. */
export function choice<const W extends readonly [string, ...string[]]>(
  text: string,
  options: { words: W; fallback: W[number] },
): z.ZodDefault<z.ZodType<W[number], W[number]>> {
  const error = `Must be ${listed(options.words)}`;
  const schema: z.ZodType<W[number], W[number]> = z.enum(options.words, { error });
  // The words are the type's own, but TypeScript cannot see that through the generic parameter.
  const fallback = options.fallback as z.core.util.NoUndefined<W[number]>;
  return known(schema.default(fallback).describe(text), { kind: "choice" });
}

/** What a text must look like. */
export interface TextRule {
  /** The error's wanted part: "Must be ...". */
  wanted: string;
  test?: (value: string) => boolean;
  /** As `test`, and shown to editors too. */
  pattern?: RegExp;
  /** In UTF-16 units. @default 0 */
  minLength?: number;
  /** In UTF-16 units. @default 1024 */
  maxLength?: number;
  secret?: boolean;
}

/** A text that must be given. */
export function requiredText(text: string, rule: TextRule): z.ZodString {
  return known(plainText(rule).describe(text), { kind: "text", secret: rule.secret ?? false });
}

/** A text that may be left out. */
export function optionalText(text: string, rule: TextRule): z.ZodOptional<z.ZodString> {
  return known(plainText(rule).optional().describe(text), { kind: "text", secret: rule.secret ?? false });
}

/** A text with a default. */
export function textField(text: string, rule: TextRule & { fallback: string }): z.ZodDefault<z.ZodString> {
  const schema = plainText(rule).default(rule.fallback).describe(text);
  return known(schema, { kind: "text", secret: rule.secret ?? false });
}

/** A list; it is replaced as a whole by the layers above it. */
export function list<T extends z.ZodType>(
  text: string,
  options: { item: T; fallback: z.output<T>[] },
): z.ZodDefault<z.ZodArray<T>> {
  const error = `Must be a list of at most ${maxListItems} items`;
  const schema = z.array(options.item, { error }).max(maxListItems, { error });
  const fallback = options.fallback as z.core.util.NoUndefined<z.output<T>[]>;
  return known(schema.default(fallback).describe(text), { kind: "list", item: options.item });
}

/** Fields under one key; left out, each of them has its default. */
export function section<F extends Record<string, z.ZodType>>(
  text: string,
  fields: F,
): z.ZodPrefault<z.ZodObject<F, z.core.$strict>> {
  const schema = entry(fields);
  // Every field of a section has a default, so that the empty section is a valid input.
  const empty = {} as z.input<typeof schema>;
  return known(schema.prefault(empty).describe(text), { kind: "section", fields });
}

/** The fields of one item of a list, or of the whole configuration. */
export function entry<F extends Record<string, z.ZodType>>(fields: F): z.ZodObject<F, z.core.$strict> {
  const schema = z.strictObject(fields, {
    error: (issue) => issue.code === "invalid_type" ? "Must be a mapping of names to values" : undefined,
  });
  return known(schema, { kind: "section", fields });
}

/** A size as text or number, in bytes; rounded where a fraction of a unit is no whole number of bytes. */
function bytesOf(given: number | string): number {
  if (typeof given === "number") return given;
  const [, digits, unit = "B"] = sizePattern.exec(given) as RegExpExecArray;
  return Math.round(Number(digits) * sizeUnits[unit]);
}

/** An address, or an address range as `address/bits`. */
export function isAddressRange(value: string): boolean {
  const [address, bits, ...more] = value.split("/");
  const family = isIP(address);
  if (family === 0 || address.includes("%") || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** An IP address or a host name (RFC 1123), without port and brackets. */
export function isHost(value: string): boolean {
  if (isIP(value) !== 0) return true;
  const labels = value.split(".");
  const last = labels[labels.length - 1];
  return value.length <= 253 && /[a-z]/i.test(last) &&
    labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(label));
}

function plainText(rule: TextRule): z.ZodString {
  const error = (issue: { input?: unknown }): string =>
    issue.input === undefined ? `Is missing: it must be ${rule.wanted}` : `Must be ${rule.wanted}`;
  let schema = z.string({ error }).max(rule.maxLength ?? 1024, { error });
  if (rule.minLength) schema = schema.min(rule.minLength, { error });
  if (rule.pattern) schema = schema.regex(rule.pattern, { error });
  return rule.test ? schema.refine(rule.test, { error }) : schema;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} or ${words[words.length - 1]}`;
}

function known<T extends z.core.$ZodType>(schema: T, facts: FieldFacts): T {
  fieldFacts.set(schema, facts);
  return schema;
}
