/**
 * The schema seen from outside: which settings there are, what kind each is, and what a text means for it.
 * @module
 */

import type { z } from "zod";
import { type FieldFacts, fieldFacts } from "./fields.ts";
import { type ConfigPath, pathText } from "./issue.ts";
import { type Config, configSchema, defaultConfig } from "./schema.ts";
import { nearest } from "./suggest.ts";

/** One setting: a leaf of the configuration. A list is one setting. */
export interface Setting {
  /** Such as `flush.interval_ms`. */
  readonly path: string;
  readonly kind: Exclude<FieldFacts["kind"], "section">;
  readonly default: unknown;
  readonly description: string;
}

/** Every setting, in the order of the schema. */
export const settings: readonly Setting[] = listSettings(configSchema, []);

/** Every section that holds settings, in the order of the schema; the root is not among them. */
export const sections: readonly string[] = [
  ...new Set(settings.map(({ path }) => path.split(".").slice(0, -1).join("."))),
].filter((path) => path !== "");

/** What is known of the field at a path, inside the items of lists too; undefined where there is none. */
export function factsAt(path: ConfigPath): FieldFacts | undefined {
  let facts = fieldFacts.get(configSchema);
  for (const part of path) {
    if (typeof part === "number") {
      facts = facts?.kind === "list" ? fieldFacts.get(facts.item) : undefined;
    } else if (facts?.kind === "section" && Object.hasOwn(facts.fields, part)) {
      facts = fieldFacts.get(facts.fields[part]);
    } else return undefined;
  }
  return facts;
}

/** The value of one setting, by its path. */
export function settingValue(config: Config, path: string): unknown {
  let at: unknown = config;
  for (const part of path.split(".")) at = (at as Record<string, unknown>)[part];
  return at;
}

/** A text as the field at `path` wants it: a number or boolean where the text is exactly one, else the text. */
export function coerceText(path: ConfigPath, text: string): unknown {
  const kind = factsAt(path)?.kind;
  if (kind === "integer" && /^[+-]?\d{1,16}$/.test(text)) return Number(text);
  if (kind === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}

/** The field beside an unknown key that was probably meant by it. */
export function nearestSibling(path: ConfigPath): string | undefined {
  const parent = factsAt(path.slice(0, -1));
  return parent?.kind === "section"
    ? nearest(String(path[path.length - 1]), Object.keys(parent.fields))
    : undefined;
}

/** Settings anywhere whose path is, or ends with, this key. */
export function settingsNamed(key: string): string[] {
  return settings.map(({ path }) => path).filter((path) => path === key || path.endsWith("." + key));
}

function listSettings(schema: z.ZodType, path: string[]): Setting[] {
  const facts = fieldFacts.get(schema);
  if (facts?.kind === "section") {
    return Object.entries(facts.fields).flatMap(([key, field]) => listSettings(field, [...path, key]));
  }
  if (facts === undefined || schema.description === undefined) {
    throw new Error(`Cannot list the settings: ${pathText(path)} was not made by a builder of fields.ts`);
  }
  const text = path.join(".");
  return [{
    path: text,
    kind: facts.kind,
    default: settingValue(defaultConfig(), text),
    description: schema.description,
  }];
}
