/**
 * How properties of profiles and groups are merged (contract `track`, 4.3).
 * @module
 */

/** A JSON object. */
export type Properties = Record<string, unknown>;

/** Objects below this depth are taken whole, so that no body can make merging run out of stack. */
const maxDepth = 64;

/** Is the value a JSON object? */
export function isObject(value: unknown): value is Properties {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** Own members only: `constructor` or `__proto__` in a body is a name like any other. */
export function memberOf(object: Properties, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Sets an own member, whatever its name. */
export function setMember(object: Properties, name: string, value: unknown): void {
  if (name !== "__proto__") object[name] = value;
  else {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  }
}

/**
 * Sets a member to what is given: null and undefined never take the place of anything, "" not that of a text.
 * @returns whether the given value was taken
 */
export function mergeText(object: Properties, name: string, given: unknown): boolean {
  if (given === undefined || given === null) return false;
  if (given === "" && typeof memberOf(object, name) === "string") return false;
  setMember(object, name, given);
  return true;
}

/** Merges objects within objects; of everything else the given one is taken, by the rules of {@link mergeText}. */
export function mergeDeep(into: Properties, given: unknown, depth = 0): void {
  if (!isObject(given)) return;
  for (const [name, value] of Object.entries(given)) {
    const known = memberOf(into, name);
    if (isObject(value) && isObject(known) && depth < maxDepth) mergeDeep(known, value, depth + 1);
    else mergeText(into, name, value);
  }
}

/** Takes every given member as it is. @returns whether that changed anything */
export function mergeShallow(into: Properties, given: unknown): boolean {
  if (!isObject(given)) return false;
  let isChanged = false;
  for (const [name, value] of Object.entries(given)) {
    if (Object.hasOwn(into, name) && JSON.stringify(into[name]) === JSON.stringify(value)) continue;
    setMember(into, name, value);
    isChanged = true;
  }
  return isChanged;
}
