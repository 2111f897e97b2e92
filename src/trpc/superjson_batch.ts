/**
 * A batch that was given to superjson as a whole, taken apart into what a server reads: one serialised value a call.
 * @module
 */

import { isObject, membersOf, objectText, type Piece } from "./json_pieces.ts";

/** What superjson writes beside a value: which types stood where. */
interface Meta {
  readonly [key: string]: unknown;
}

const indexPath = /^(\d+)(?:\.(.*))?$/s;

/**
 * Texts by index; undefined where a value is shared between calls, which no batch can say.
 *
 * @param whole An object with `json`, an object keyed by index, and perhaps `meta`.
 */
export function splitSuperjsonBatch(whole: Piece): Map<string, string> | undefined {
  const members = membersOf(whole);
  const metas = splitMeta(members.get("meta")?.value);
  if (metas === undefined) return undefined;
  const items = [...membersOf(members.get("json") as Piece)].map(([index, { text }]): [string, string] => {
    const meta = metas.get(index);
    const parts: [string, string][] = [["json", text]];
    if (meta !== undefined) parts.push(["meta", JSON.stringify(meta)]);
    return [index, objectText(parts)];
  });
  return new Map(items);
}

/** The meta of each index that needs one: superjson's paths begin with the index, dots part their steps. */
function splitMeta(meta: unknown): Map<string, Meta> | undefined {
  const metas = new Map<string, Meta>();
  if (!isObject(meta)) return metas;
  const { values = {}, referentialEqualities = {}, ...common } = meta;
  if (!isObject(values) || !isObject(referentialEqualities)) return undefined;
  const add = (index: string, part: "values" | "referentialEqualities", found: unknown): void => {
    metas.set(index, { ...common, ...metas.get(index), [part]: found });
  };
  const valuesByIndex = new Map<string, unknown>();
  for (const [path, types] of Object.entries(values)) {
    const [, index, rest] = indexPath.exec(path) ?? [];
    if (index === undefined) return undefined;
    const others = valuesByIndex.get(index);
    valuesByIndex.set(
      index,
      rest === undefined ? types : { ...(isObject(others) ? others : {}), [rest]: types },
    );
  }
  for (const [index, found] of valuesByIndex) add(index, "values", found);
  const sharedByIndex = new Map<string, Record<string, string[]>>();
  for (const [path, copies] of Object.entries(referentialEqualities)) {
    const [, index, rest] = indexPath.exec(path) ?? [];
    const inside = Array.isArray(copies) ? copies.map((copy) => indexPath.exec(String(copy))) : [null];
    if (rest === undefined || inside.some((copy) => copy?.[1] !== index || copy[2] === undefined)) {
      return undefined;
    }
    const shared = sharedByIndex.get(index) ?? {};
    shared[rest] = inside.map((copy) => copy?.[2] as string);
    sharedByIndex.set(index, shared);
  }
  for (const [index, found] of sharedByIndex) add(index, "referentialEqualities", found);
  return metas;
}
