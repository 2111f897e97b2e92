/**
 * Steps of numbers within properties: increment and decrement (contract `track`, 4.3 and Decision 9).
 * @module
 */

import { isObject, memberOf, type Properties, setMember } from "./merge.ts";

/** Digits behind the point that a sum keeps, at the most: past it a number is as it is. */
const maxDecimals = 12;

/**
 * Adds to the number at a path of names with dots between them; what is missing on the way counts as 0.
 * @returns false when something else than a number stands there, or on the way to it; nothing is changed then
 */
export function stepAt(properties: Properties, path: string, by: number): boolean {
  const names = path.split(".");
  const last = names.pop()!;
  const known = numberAt(properties, names, last);
  if (known === undefined) return false;
  let object = properties;
  for (const name of names) {
    const next = memberOf(object, name);
    if (isObject(next)) object = next;
    else {
      const made: Properties = {};
      setMember(object, name, made);
      object = made;
    }
  }
  setMember(object, last, sum(known, by));
  return true;
}

/** Is there a number at a path, or nothing? */
export function holdsStep(properties: Properties, path: string): boolean {
  const names = path.split(".");
  return numberAt(properties, names, names.pop()!) !== undefined;
}

/** The number at a path, 0 where nothing is; undefined where something else stands. */
function numberAt(properties: Properties, names: readonly string[], last: string): number | undefined {
  let object = properties;
  for (const name of names) {
    const next = memberOf(object, name);
    if (next === undefined || next === null) return 0;
    if (!isObject(next)) return undefined;
    object = next;
  }
  const value = memberOf(object, last);
  if (value === undefined || value === null) return 0;
  if (typeof value === "number") return value;
  // Senders of forms keep numbers as texts; what the original reads as a number is one.
  const isNumber = typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value));
  return isNumber ? Number(value) : undefined;
}

/** The sum with as many decimals as the longer of both has: 0.1 and 0.2 are 0.3. */
function sum(a: number, b: number): number {
  const places = Math.max(decimalsOf(a), decimalsOf(b));
  const exact = a + b;
  if (!Number.isFinite(exact)) return a;
  return places > maxDecimals || Math.abs(exact) >= 1e9 ? exact : Number(exact.toFixed(places));
}

function decimalsOf(value: number): number {
  const text = String(value);
  if (text.includes("e")) return maxDecimals + 1;
  const point = text.indexOf(".");
  return point < 0 ? 0 : text.length - point - 1;
}
