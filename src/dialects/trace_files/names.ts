/**
 * Names as clients send them: what may be one segment of a path below the root, and what a directory leads to.
 * Nothing here touches the disk; see file_root.ts for what does.
 * @module
 */

import { posix } from "node:path";

const maxNameBytes = 255;
const maxDirectoryCharacters = 1_024;
/** Each missing one costs a directory and a sync. */
const maxSegments = 32;

const encoder = new TextEncoder();
const temporaryForm = /^\.weir-.*\.tmp$/is;

/** A new name for a file while it is written; no client can have a file of such a name. */
export function temporaryName(): string {
  return `.weir-${crypto.randomUUID()}.tmp`;
}

/** Is this a name that {@link temporaryName} gives, or could? */
export function isTemporaryName(name: string): boolean {
  return temporaryForm.test(name);
}

/**
 * May this be the name of a file or a directory? One segment of a path, on every system: separators, `.` and `..`
 * are refused also where Unicode merely counts them as compatible, since some file systems normalise names.
 */
export function isFileName(name: string): boolean {
  if (name === "" || name.length > maxNameBytes || !name.isWellFormed() || /\p{Cc}/u.test(name)) return false;
  const compatible = name.normalize("NFKC");
  if (/[/\\]/.test(name + compatible) || /^\.{1,2}$/.test(compatible)) return false;
  return encoder.encode(name).length <= maxNameBytes && !isTemporaryName(name);
}

/** The last segment of what was sent as a file name, as `names: basename` takes it; "" where there is none. */
export function baseName(name: string): string {
  return posix.basename(name);
}

/**
 * What may be shown of a name that was refused: its last segment, so that no path comes back in a reply, without
 * what cannot be printed.
 */
export function shownName(name: string): string {
  const last = name.slice(-2 * maxNameBytes).split(/[/\\]/).at(-1) ?? "";
  return last.replace(/\p{Cc}/gu, "\ufffd").slice(-maxNameBytes).toWellFormed();
}

/**
 * The segments that a directory has below the root.
 * @param directory As sent: relative to the root, or absolute. `.` and `..` are resolved as text.
 * @param root Absolute.
 * @returns undefined when it leads out of the root, or has a segment that is no name
 */
export function directorySegments(directory: string, root: string): string[] | undefined {
  if (directory.length > maxDirectoryCharacters + root.length || /[\\\0]/.test(directory)) return undefined;
  const wanted = segmentsOf(posix.resolve(root, directory));
  const above = segmentsOf(root);
  if (!above.every((segment, i) => segment === wanted[i])) return undefined;
  const below = wanted.slice(above.length);
  const isFit = below.length <= maxSegments && below.every(isFileName) &&
    encoder.encode(below.join("/")).length <= maxDirectoryCharacters;
  return isFit ? below : undefined;
}

/** Is this absolute path the root, or below it? Compared segment by segment: `/a/bc` is not below `/a/b`. */
export function isBelow(path: string, root: string): boolean {
  const segments = segmentsOf(path);
  return segmentsOf(root).every((segment, i) => segment === segments[i]);
}

function segmentsOf(path: string): string[] {
  return path.split("/").filter((segment) => segment !== "");
}
