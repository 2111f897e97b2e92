/**
 * Reads what the daemon wrote to disk, the way a user's tools would.
 * @module
 */

import { Buffer } from "node:buffer";
import { gunzipSync } from "node:zlib";
import { readMember } from "../../src/flush/members.ts";

/** One finished output file. */
export interface Part {
  /** Below data_dir, such as `events/project=p/date=2026-11-20/7-0.ndjson`. */
  readonly path: string;
  /** `path` without the file name. */
  readonly partition: string;
  /** The lines as they are, without line breaks. */
  readonly lines: string[];
  /** The lines as values. */
  readonly rows: Record<string, unknown>[];
}

/**
 * Every part below `dataDir`/`folder`, ordered by path; none where the folder is not there.
 * Files under temporary names are no parts and are left out.
 *
 * @param folder Such as `events` or `traces`.
 * @throws Error when a part does not end with a line break or holds a line that is no JSON: it was not whole
 */
export async function readParts(dataDir: string, folder: string): Promise<Part[]> {
  const parts: Part[] = [];
  for (const path of await filesBelow(dataDir, folder)) {
    // A flush that is under way may take away what is no part.
    if (!partName.test(path)) continue;
    const plain = decode(path, await Deno.readFile(`${dataDir}/${path}`));
    if (plain !== "" && !plain.endsWith("\n")) throw new Error(`Part ${path} does not end with a line break`);
    const lines = plain === "" ? [] : plain.slice(0, -1).split("\n");
    const rows = lines.map((line) => JSON.parse(line));
    parts.push({ path, partition: path.slice(0, path.lastIndexOf("/")), lines, rows });
  }
  return parts;
}

/**
 * The rows of all parts below `dataDir`/`folder`, in the order of {@link readParts}, but for those that the daemon
 * adds of its own: session_start and session_end.
 */
export async function readRows(dataDir: string, folder: string): Promise<Record<string, unknown>[]> {
  return (await readAllRows(dataDir, folder)).filter(({ name }) => !sessionEvents.includes(name as string));
}

/** The rows of all parts below `dataDir`/`folder`, in the order of {@link readParts}. */
export async function readAllRows(dataDir: string, folder: string): Promise<Record<string, unknown>[]> {
  return (await readParts(dataDir, folder)).flatMap((part) => part.rows);
}

/** Every file below `dataDir`/`folder`, relative to `dataDir`, in order; none where the folder is not there. */
export async function filesBelow(dataDir: string, folder: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(`${dataDir}/${folder}`)) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory) found.push(...await filesBelow(dataDir, path));
      else found.push(path);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found.sort();
}

const sessionEvents = ["session_start", "session_end"];
const partName = /\.ndjson(\.gz|\.zst)?$/;
const utf8 = new TextDecoder("utf-8", { fatal: true });

function decode(path: string, bytes: Uint8Array): string {
  if (path.endsWith(".gz")) return utf8.decode(gunzipSync(bytes));
  if (path.endsWith(".zst")) return utf8.decode(framesOf(bytes));
  return utf8.decode(bytes);
}

/** node:zlib reads the first frame of a zstd file and leaves out the rest. */
function framesOf(bytes: Uint8Array): Uint8Array {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const { data, storedBytes } = readMember("zstd", bytes.subarray(at));
    frames.push(data);
    at += storedBytes;
  }
  return Buffer.concat(frames);
}
