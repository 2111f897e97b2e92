/**
 * Holds a {@link SettingTree} against the schema and against the rules between settings, and reports everything
 * that is wrong in one go.
 * @module
 */

import type { z } from "zod";
import { type CrossFinding, findConflicts, findDoubts } from "./cross_checks.ts";
import { type ConfigIssue, type ConfigPath, pathText, shownPath } from "./issue.ts";
import { type Config, configSchema } from "./schema.ts";
import { factsAt, nearestSibling, settingsNamed } from "./settings.ts";
import { emptyMapping, isAtOrBelow, isMapping, issueAt, type SettingTree } from "./setting_tree.ts";

/** What came of it. */
export interface CheckedTree {
  /** Undefined where there are issues. */
  readonly config: Config | undefined;
  /** What forbids to use it. */
  readonly issues: readonly ConfigIssue[];
  /** What is allowed and still hardly meant. */
  readonly warnings: readonly ConfigIssue[];
}

/** One thing that the schema finds. */
interface Finding {
  readonly path: ConfigPath;
  readonly unknown: boolean;
  readonly message: string;
}

/** Suggestions cost; a hostile file has many unknown keys. */
const maxSuggestions = 100;
const maxShownValue = 60;

/**
 * Checks everything that the layers gave.
 *
 * @param brokenLine Line of the file's first syntax error: what stands behind it was read wrongly, and rules
 * between settings say nothing before it is mended.
 */
export function checkTree(tree: SettingTree, brokenLine = Infinity): CheckedTree {
  const parsed = configSchema.safeParse(tree.root);
  const findings = (parsed.error?.issues ?? []).flatMap(findingsOf);
  reportFindings(tree, { findings, brokenLine });
  if (brokenLine < Infinity) return { config: undefined, issues: tree.issues, warnings: [] };

  const whole = parsed.data ?? configSchema.safeParse(without(tree.root, findings)).data;
  const wrong = wrongPaths(tree, findings);
  const isWrong = (path: string): boolean =>
    wrong.some((bad) => isAtOrBelow(bad, path) || isAtOrBelow(path, bad));
  const tell = (found: CrossFinding): ConfigIssue => crossIssue(tree, found);
  const conflicts = whole ? findConflicts(whole, isWrong).map(tell) : [];
  const warnings = whole ? findDoubts(whole, isWrong).map(tell) : [];
  const issues = [...tree.issues, ...conflicts];
  return { config: issues.length === 0 ? parsed.data : undefined, issues, warnings };
}

/** One finding for each unknown key. */
function findingsOf(issue: z.core.$ZodIssue): Finding[] {
  const path = issue.path as ConfigPath;
  if (issue.code !== "unrecognized_keys") return [{ path, unknown: false, message: issue.message }];
  return issue.keys.map((key) => ({ path: [...path, key], unknown: true, message: "Is no setting" }));
}

/** Reports each path once, and none that could not even be read. */
function reportFindings(
  tree: SettingTree,
  { findings, brokenLine }: { findings: readonly Finding[]; brokenLine: number },
): void {
  let suggestions = 0;
  for (const finding of findings) {
    const place = tree.placeAround(finding.path);
    const unreliable = brokenLine < Infinity && (place === undefined || place.line >= brokenLine ||
      tree.value(finding.path) === undefined);
    const told = finding.path.length > 0 && tree.wrongValues.has(shownPath(finding.path));
    if (told || unreliable) continue;
    if (!finding.unknown) {
      tree.report(finding.path, { place, message: finding.message + currentValue(tree, finding.path) });
      continue;
    }
    const hint = suggestions++ < maxSuggestions ? suggestion(finding.path) : "";
    tree.report(finding.path, { place, message: finding.message + hint, at: "key" });
  }
}

/** The end of a message about an unknown key: the field beside it, else settings of that name elsewhere. */
function suggestion(path: ConfigPath): string {
  const sibling = nearestSibling(path);
  const meant = sibling === undefined ? settingsNamed(String(path[path.length - 1])) : [sibling];
  return meant.length === 0 ? "" : `: did you mean ${meant.join(" or ")}`;
}

/** The end of a message: what was given. Texts behind references, secrets, and what may hold them stay unsaid. */
function currentValue(tree: SettingTree, path: ConfigPath): string {
  const value = tree.value(path);
  if (value === undefined) return "";
  const facts = factsAt(path);
  if (facts?.kind === "text") {
    if (typeof value === "number") return ": current value is a number, which needs quotes to be a text";
    if (typeof value === "boolean") return ": current value is a boolean, which needs quotes to be a text";
    if (facts.secret) return "";
  }
  if (typeof value === "number" || typeof value === "boolean") return `: current value is ${value}`;
  if (value === null) return ": current value is empty";
  if (Array.isArray(value)) return ": current value is a list";
  if (typeof value !== "string") return ": current value is a mapping";
  if (facts === undefined || facts.kind === "list" || facts.kind === "section") {
    return ": current value is a text";
  }
  const written = tree.placeOf(path)?.written;
  return written === undefined
    ? `: current value is ${shown(value)}`
    : `: current value comes from ${shown(written)}`;
}

function shown(text: string): string {
  return JSON.stringify(text.length > maxShownValue ? text.slice(0, maxShownValue) + "…" : text)
    .replace(/[\u007f-\u009f\u2028\u2029]/g, "?");
}

/** What rules between settings must not look at: what is wrong by itself, and what an unknown key was meant for. */
function wrongPaths(tree: SettingTree, findings: readonly Finding[]): string[] {
  const meant = findings.filter(({ unknown }) => unknown).slice(0, maxSuggestions).flatMap(({ path }) => {
    const sibling = nearestSibling(path);
    return sibling === undefined ? [] : [pathText([...path.slice(0, -1), sibling])];
  });
  return [...meant, ...tree.issues.map(({ path }) => path)].filter((path) => path !== "");
}

/** The tree without what the schema refused; a list with a wrong item is left out as a whole. */
function without(root: unknown, findings: readonly Finding[]): unknown {
  const refused = new Set(findings.map(({ path }) => {
    const item = path.findIndex((part) => typeof part === "number");
    return pathText(item < 0 ? path : path.slice(0, item));
  }));
  return isMapping(root) && !refused.has("") ? copyWithout(root, { path: [], refused }) : {};
}

function copyWithout(
  from: Record<string, unknown>,
  { path, refused }: { path: string[]; refused: ReadonlySet<string> },
): Record<string, unknown> {
  const copy = emptyMapping();
  for (const [key, value] of Object.entries(from)) {
    const below = [...path, key];
    if (refused.has(pathText(below))) continue;
    copy[key] = isMapping(value) ? copyWithout(value, { path: below, refused }) : value;
  }
  return copy;
}

/** Points at the first of the concerned settings that somebody set. */
function crossIssue(tree: SettingTree, { paths, message }: CrossFinding): ConfigIssue {
  const set = paths.map((path) => tree.placeOf(path)).find((place) => place !== undefined);
  return issueAt(paths[0], { place: set ?? tree.placeAround(paths[0]), message });
}
