/**
 * What can be wrong with a configuration, and how it is told: where, which setting, what is wanted.
 * @module
 */

/** One thing that is wrong. */
export interface ConfigIssue {
  /** Path of the file as it was given; else `env NAME` or `flag --name`; else empty. */
  readonly file: string;
  /** Line in the file, from 1; 0 where there is none. */
  readonly line: number;
  /** Column in UTF-16 units, from 1; 0 where there is none. */
  readonly col: number;
  /** Path of the setting, such as `auth.clients[0].id`; empty where the issue belongs to no setting. */
  readonly path: string;
  /** Never holds the value of a secret, nor a text that a `${VAR}` stood for. */
  readonly message: string;
}

/** Issues that are printed; a hostile file can have many more. */
const maxPrintedIssues = 100;
/** A key longer than this is cut when it is shown. */
const maxShownKey = 64;

/** The configuration cannot be used; nothing of it was. `message` has one line for each issue. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** EX_CONFIG of sysexits. */
  readonly exitCode = 78;
  readonly issues: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[], options: ErrorOptions = {}) {
    const lines = issues.slice(0, maxPrintedIssues).map(formatIssue);
    if (issues.length > maxPrintedIssues) lines.push(`${issues.length - maxPrintedIssues} more not shown`);
    super(lines.join("\n"), options);
    this.issues = issues;
  }
}

/** `file:line:col path: message`, leaving out what is not known. */
export function formatIssue(issue: ConfigIssue): string {
  const place = issue.line > 0 ? `${issue.file}:${issue.line}:${issue.col}` : issue.file;
  const subject = [place, issue.path].filter((part) => part !== "").join(" ");
  return subject === "" ? issue.message : `${subject}: ${issue.message}`;
}

/** Keys and positions from the root down to one setting. */
export type ConfigPath = readonly (string | number)[];

/** A path as text: `auth.clients[0].id`. Keys that no setting could have are quoted, so that two paths never agree. */
export function pathText(path: ConfigPath): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(part)) text += (text === "" ? "" : ".") + part;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** A path for people: as {@link pathText}, with keys that are too long or not printable cut and escaped. */
export function shownPath(path: ConfigPath): string {
  return pathText(path.map((part) => typeof part === "number" ? part : shownKey(part)));
}

function shownKey(key: string): string {
  const cut = key.length > maxShownKey ? key.slice(0, maxShownKey) + "…" : key;
  // JSON.stringify, which quotes such keys later, leaves these as they are; C1 controls steer a terminal.
  return cut.replace(/[\u007f-\u009f\u2028\u2029]/g, "?");
}
