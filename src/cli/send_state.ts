/**
 * How far a file was sent, remembered beside it.
 * @module
 */

import type { RowFile } from "./send_source.ts";

const statePath = (file: RowFile): string | undefined => file.path && `${file.path}.weir-sent`;

/** Rows that were delivered before; 0 when nothing is remembered, or the file has changed since. */
export async function readState(file: RowFile): Promise<number> {
  const path = statePath(file);
  if (path === undefined) return 0;
  try {
    const { id, rows } = JSON.parse(await Deno.readTextFile(path)) as { id?: unknown; rows?: unknown };
    return id === file.id && Number.isSafeInteger(rows) ? rows as number : 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return 0;
    throw error;
  }
}

/** Remembers that so many rows were delivered. */
export async function writeState(file: RowFile, rows: number): Promise<void> {
  const path = statePath(file);
  if (path === undefined) return;
  await Deno.writeTextFile(`${path}.tmp`, JSON.stringify({ id: file.id, rows }) + "\n");
  await Deno.rename(`${path}.tmp`, path);
}

/** Forgets. */
export async function clearState(file: RowFile): Promise<void> {
  const path = statePath(file);
  if (path === undefined) return;
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
