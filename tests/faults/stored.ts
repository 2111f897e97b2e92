/**
 * What a stopped daemon left on the disk, as numbers of rows.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { magic } from "../../src/journal/segment.ts";
import { filesBelow, type Part, readParts } from "../support/parts.ts";

/** Folders that rows of the load end up in. */
const folders = ["events", "operations", "changes", "traces"] as const;

/** What was found in all parts. */
export interface Stored {
  /** Row number to how often it is stored. */
  readonly counts: ReadonlyMap<number, number>;
  /** Rows that are not what was sent, and batches that are not in order. */
  readonly flaws: readonly string[];
  readonly parts: number;
}

/** The member that makes a row of the load recognisable, and shows when its bytes were mixed with others. */
export interface Mark {
  readonly n: number;
  readonly pad: string;
}

/** The mark of row `n`, with a padding of `size` characters that only it has. */
export function markOf(n: number, size: number): Mark {
  return { n, pad: padOf(n, size) };
}

/**
 * Reads every part below a data_dir.
 * @throws Error when a part is not whole, see {@link readParts}
 */
export async function readStored(dataDir: string): Promise<Stored> {
  const counts = new Map<number, number>();
  const flaws: string[] = [];
  let parts = 0;
  for (const folder of folders) {
    for (const part of await readParts(dataDir, folder)) {
      parts++;
      for (const row of part.rows) {
        // The daemon's own rows stand for no row that was sent.
        if (row.name === "session_start" || row.name === "session_end") continue;
        const marks = marksOf(folder, row);
        if (marks.length === 0) flaws.push(`${part.path} holds a row without a mark`);
        if (folder === "traces" && !isInOrder(row, marks)) {
          flaws.push(`Events of ${row.rid} are not in order`);
        }
        for (const mark of marks) {
          if (mark.pad !== padOf(mark.n, mark.pad?.length)) flaws.push(`Row ${mark.n} is not what was sent`);
          // Metadata that was sent again stands in each line; readers merge it.
          const others = mark === row.resp_body ? 0 : counts.get(mark.n) ?? 0;
          counts.set(mark.n, others + 1);
        }
      }
    }
  }
  return { counts, flaws, parts };
}

/**
 * Reads the parts of a daemon that was killed: what can be seen must be whole at any moment.
 * @returns paths of files that are no parts
 * @throws Error when a part is not whole
 */
export async function readWhole(dataDir: string): Promise<string[]> {
  const odd: string[] = [];
  for (const folder of folders) {
    const parts: Part[] = await readParts(dataDir, folder);
    const known = new Set(parts.map(({ path }) => path));
    odd.push(...(await filesBelow(dataDir, folder)).filter((path) => !known.has(path)));
  }
  return odd;
}

// deno-lint-ignore no-explicit-any -- rows of five kinds, looked into as a reader of the files would
function marksOf(folder: (typeof folders)[number], row: any): Mark[] {
  if (folder === "changes") return [row.after];
  if (folder !== "traces") return [row.properties];
  return row.resp_body?.n === undefined ? row.events : [row.resp_body, ...row.events];
}

/** Holds when a clean stop left no rows in the journal and no file that is no part. */
export async function assertNothingWaits(dataDir: string): Promise<void> {
  for await (const { name } of Deno.readDir(`${dataDir}/journal`)) {
    const { size } = await Deno.stat(`${dataDir}/journal/${name}`);
    assert(size <= magic.length, `Segment ${name} still holds rows`);
  }
  assertEquals(await readWhole(dataDir), []);
}

/** Batches of a request with explicit indexes are numbered in the order of their indexes. */
function isInOrder(row: Record<string, unknown>, marks: readonly Mark[]): boolean {
  if (!String(row.rid).startsWith("indexed-")) return true;
  const events = marks.slice(marks.length - (row.events as unknown[]).length);
  return events.every((event, i) => i === 0 || event.n > events[i - 1].n);
}

function padOf(n: number, size: number): string {
  const text = n.toString(36) + "-";
  return text.repeat(Math.ceil(size / text.length)).slice(0, size);
}
