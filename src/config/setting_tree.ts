/**
 * Settings as they were given, layer over layer, before the schema sees them; each with the place it came from.
 * @module
 */

import { type ConfigIssue, type ConfigPath, pathText, shownPath } from "./issue.ts";

/** Where one value was given. */
export interface Place {
  /** For people: `config/weir.yaml:12`, `env WEIR_SERVER__PORT` or `flag --port`. */
  readonly origin: string;
  /** As in {@link ConfigIssue.file}. */
  readonly file: string;
  /** Of the value, from 1; 0 where there is none. */
  readonly line: number;
  readonly col: number;
  /** Of the key; the value's own where it has none. */
  readonly keyLine: number;
  readonly keyCol: number;
  /** The text in the file, where the value was made from it with the environment's help. */
  readonly written?: string;
}

/** A mapping without a prototype, so that no key means anything but itself. */
export type Mapping = Record<string, unknown>;

/** An empty {@link Mapping}. */
export function emptyMapping(): Mapping {
  return Object.create(null);
}

/** Is it an object that holds settings? */
export function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Where an issue is, and what it says. */
export interface IssueOptions {
  readonly place: Place | undefined;
  readonly message: string;
  /** Which end of the place to point at. @default "value" */
  readonly at?: "key" | "value";
}

/** An issue of the setting at `path`. */
export function issueAt(path: ConfigPath, { place, message, at = "value" }: IssueOptions): ConfigIssue {
  return {
    file: place?.file ?? "",
    line: (at === "key" ? place?.keyLine : place?.line) ?? 0,
    col: (at === "key" ? place?.keyCol : place?.col) ?? 0,
    path: shownPath(path),
    message,
  };
}

/** What all layers gave together; a later one replaces an earlier one, lists as a whole. */
export class SettingTree {
  #root: unknown = emptyMapping();
  readonly #places = new Map<string, Place>();
  readonly issues: ConfigIssue[] = [];
  /** Paths, as they are shown, whose value is said to be wrong. */
  readonly wrongValues = new Set<string>();

  /** A mapping, unless the file was something else. */
  get root(): unknown {
    return this.#root;
  }

  /** Puts a value at a path and forgets what was known below it. Does nothing below a value that is no mapping. */
  set(path: ConfigPath, value: unknown): void {
    this.#forget(path);
    if (path.length === 0) {
      this.#root = value;
      return;
    }
    let at: unknown = this.#root;
    for (const key of path.slice(0, -1)) {
      if (!isMapping(at)) return;
      at = at[key] ??= emptyMapping();
    }
    if (isMapping(at)) at[path[path.length - 1]] = value;
  }

  /** Says where the value at a path was given. */
  place(path: ConfigPath, place: Place): void {
    this.#places.set(pathText(path), place);
  }

  /** Takes over what another tree has at a path, with its places. */
  adopt(path: ConfigPath, from: SettingTree): void {
    this.set(path, from.value(path));
    const prefix = pathText(path);
    for (const [at, place] of from.#places) {
      if (isAtOrBelow(at, prefix)) this.#places.set(at, place);
    }
  }

  /** Where exactly this was given. */
  placeOf(path: ConfigPath): Place | undefined {
    return this.#places.get(pathText(path));
  }

  /** Where this, or else the nearest thing around it, was given. */
  placeAround(path: ConfigPath): Place | undefined {
    for (let size = path.length; size >= 0; size--) {
      const place = this.#places.get(pathText(path.slice(0, size)));
      if (place) return place;
    }
    return undefined;
  }

  /** The value at a path; undefined where there is none. */
  value(path: ConfigPath): unknown {
    let at: unknown = this.#root;
    for (const key of path) {
      if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
      at = (at as Record<string | number, unknown>)[key];
    }
    return at;
  }

  /** Notes an issue. */
  report(path: ConfigPath, options: IssueOptions): void {
    const issue = issueAt(path, options);
    this.issues.push(issue);
    if (options.at !== "key") this.wrongValues.add(issue.path);
  }

  #forget(path: ConfigPath): void {
    const prefix = pathText(path);
    for (const known of [...this.#places.keys()]) {
      if (isAtOrBelow(known, prefix)) this.#places.delete(known);
    }
  }
}

/** Is the first path, as text, the second one or something below it? */
export function isAtOrBelow(path: string, ancestor: string): boolean {
  return ancestor === "" || path === ancestor || path.startsWith(ancestor + ".") ||
    path.startsWith(ancestor + "[");
}
