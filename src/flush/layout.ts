/**
 * Where files lie below data_dir, and what their names say.
 * @module
 */

import { join } from "node:path";
import { dayOf, encodeName, recordKinds } from "../base/record.ts";

/** How parts are written. */
export type Compression = "none" | "gzip" | "zstd";

/** The folders that hold partitions; nothing outside them is ever removed. */
export const partFolders: readonly string[] = [
  ...new Set(Object.values(recordKinds).map(({ directory }) => directory)),
].filter((directory) => directory !== "").sort();

const extensions: Record<Compression, string> = { none: ".ndjson", gzip: ".ndjson.gz", zstd: ".ndjson.zst" };
const partName = /^(\d{16})-(\d+)\.ndjson(\.gz|\.zst)?$/;
/** The last millisecond of the year 9999: the end of days that have the form YYYY-MM-DD. */
const lastTime = 253402300799999;

/** What the name of a part says. */
export interface PartName {
  readonly checkpoint: number;
  /** Unique within its checkpoint. */
  readonly n: number;
  readonly compression: Compression;
}

/** The file name of a part, such as `0000000000000042-0.ndjson`. */
export function formatPartName({ checkpoint, n, compression }: PartName): string {
  return `${String(checkpoint).padStart(16, "0")}-${n}${extensions[compression]}`;
}

/** What a file name says; undefined when it is not the name of a part. */
export function parsePartName(name: string): PartName | undefined {
  const match = partName.exec(name);
  if (match === null) return undefined;
  const compression = match[3] === ".gz" ? "gzip" : match[3] === ".zst" ? "zstd" : "none";
  return { checkpoint: Number(match[1]), n: Number(match[2]), compression };
}

/** The name a file has while it is written. The dot hides it from globs. */
export function temporaryName(name: string): string {
  return `.${name}.tmp`;
}

/** Is this the name of a part that was not finished? */
export function isTemporaryName(name: string): boolean {
  return name.startsWith(".") && name.endsWith(".tmp") && parsePartName(name.slice(1, -4)) !== undefined;
}

/**
 * The partition of a request's line.
 * @param firstT Time of its first entry, ms since the epoch; what no calendar has counts as the epoch.
 */
export function requestPartition(app: string, firstT: number): string {
  const time = firstT >= 0 && firstT <= lastTime ? firstT : 0;
  return `${recordKinds.request.directory}/app=${encodeName(app)}/date=${dayOf(time)}`;
}

/** The partition of a test run's line. @param firstT As with {@link requestPartition}. */
export function runPartition(firstT: number): string {
  const time = firstT >= 0 && firstT <= lastTime ? firstT : 0;
  return `${recordKinds.test_event.directory}/date=${dayOf(time)}`;
}

/** The day that a partition is for; the epoch where its name has none. */
export function partitionDay(partition: string): string {
  return /\/date=(\d{4}-\d{2}-\d{2})$/.exec(partition)?.[1] ?? "1970-01-01";
}

/** The folder that a partition or part lies in, such as `events`. */
export function folderOf(path: string): string {
  return path.slice(0, path.indexOf("/"));
}

/** The catalog. */
export function catalogPath(dataDir: string): string {
  return join(dataDir, "catalog.sqlite");
}

/** The folder of the journal's segments. */
export function journalDir(dataDir: string): string {
  return join(dataDir, "journal");
}

/** The folder of what was set aside. */
export function quarantineDir(dataDir: string): string {
  return join(dataDir, "quarantine");
}

/** The file whose lock says that data_dir is in use. */
export function lockPath(dataDir: string): string {
  return join(dataDir, "lock");
}
