/**
 * Damage to files.
 * @module
 */

/** Writes over a file without changing its length. */
export async function overwrite(path: string, at: number, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(at, Deno.SeekMode.Start);
  await file.write(bytes);
}

/** Writes behind the last frame of a segment, over the room that a killed daemon leaves there. */
export async function appendToSegment(path: string, bytes: Uint8Array): Promise<void> {
  const end = (await Deno.readFile(path)).findLastIndex((byte) => byte !== 0) + 1;
  await overwrite(path, end, bytes);
}
