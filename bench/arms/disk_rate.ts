/**
 * What the disk sustains: pieces of 1 MiB, each written and synced. Arguments: file, milliseconds. Prints bytes a
 * second as JSON.
 * @module
 */

const [path, durationMs] = Deno.args;
// No two pieces alike in a row, so that no layer below can store them once.
const pieces = Array.from({ length: 4 }, () => {
  const piece = new Uint8Array(2 ** 20);
  for (let at = 0; at < piece.length; at += 65_536) crypto.getRandomValues(piece.subarray(at, at + 65_536));
  return piece;
});
using file = await Deno.open(path, { create: true, write: true, truncate: true });
const start = performance.now();
let bytes = 0;
for (let i = 0; performance.now() - start < Number(durationMs); i++) {
  const piece = pieces[i % pieces.length];
  for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at));
  await file.syncData();
  bytes += piece.length;
}
const perSecond = bytes / (performance.now() - start) * 1000;
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(perSecond)));
