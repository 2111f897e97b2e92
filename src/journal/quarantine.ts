/**
 * Sets damaged pieces of the journal aside, for a person to look at: `<segment>-<offset>.bin`.
 * @module
 */

import { join } from "node:path";
import { makeDirectory, syncDirectory, writeAll } from "./files.ts";
import { pieceBytes, SegmentReader } from "./segment_reader.ts";

/** A piece of a segment. */
export interface DamagedPiece {
  /** Path of the segment. */
  readonly path: string;
  readonly segment: number;
  readonly from: number;
  /** End, exclusive. */
  readonly to: number;
}

/** Name of the file that a piece is set aside in. */
export function quarantineName(piece: DamagedPiece): string {
  return `${String(piece.segment).padStart(16, "0")}-${piece.from}.bin`;
}

/**
 * Copies a piece into the directory, durably and whole or not at all. False when the same piece lies there already:
 * a segment stays as it is until a flush is done with it, so each start finds its damage again.
 */
export async function setAside(dir: string, piece: DamagedPiece): Promise<boolean> {
  const target = join(dir, quarantineName(piece));
  if (await sizeOf(target) === piece.to - piece.from) return false;
  await makeDirectory(dir);
  const temporary = `${target}.tmp`;
  {
    using reader = await SegmentReader.open(piece.path);
    using file = await Deno.open(temporary, { create: true, write: true, truncate: true });
    for (let at = piece.from; at < piece.to; at += pieceBytes) {
      await writeAll(file, await reader.bytes(at, Math.min(pieceBytes, piece.to - at)));
    }
    await file.sync();
  }
  await Deno.rename(temporary, target);
  await syncDirectory(dir);
  return true;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
