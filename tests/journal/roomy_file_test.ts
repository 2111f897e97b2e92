import { assert, assertEquals } from "@std/assert";
import { RoomyFile } from "../../src/journal/roomy_file.ts";
import { tempDir } from "../support/temp.ts";

/** A file, and a way to look at it from outside. */
async function openRoomy(dir: string): Promise<{ file: RoomyFile; content: () => Promise<Uint8Array> }> {
  const path = `${dir}/roomy`;
  const file = new RoomyFile(await Deno.open(path, { createNew: true, write: true }));
  return { file, content: () => Deno.readFile(path) };
}

Deno.test("RoomyFile makes room with a small write, and fills it without getting longer", async () => {
  await using root = await tempDir();
  const { file, content } = await openRoomy(root.path);
  assertEquals(await file.write(new Uint8Array(1_000).fill(1)), 1_000);
  const { length } = await content();
  assert(length >= 64 * 1024);
  const expected = new Uint8Array(length).fill(1, 0, 1_000);
  for (let n = 0; n < 60; n++) {
    assertEquals(await file.write(new Uint8Array(1_000).fill(n + 2)), 1_000);
    expected.fill(n + 2, 1_000 * (n + 1), 1_000 * (n + 2));
    assertEquals(await content(), expected);
  }
  file.close();
  assertEquals(await content(), expected.subarray(0, 61_000));
});

Deno.test("RoomyFile keeps sizes of all kinds in their order", async () => {
  await using root = await tempDir();
  const { file, content } = await openRoomy(root.path);
  const parts = [10, 70_000, 5, 64 * 1024, 64 * 1024 + 1, 300_000, 1, 200_000, 30_000].map((size, i) =>
    new Uint8Array(size).fill(i + 1)
  );
  for (const part of parts) assertEquals(await file.write(part), part.length);
  await file.syncData();
  file.close();
  assertEquals(await content(), new Uint8Array(await new Blob(parts).arrayBuffer()));
});

Deno.test("RoomyFile goes on where it was cut off", async () => {
  await using root = await tempDir();
  const { file, content } = await openRoomy(root.path);
  await file.write(new Uint8Array(100).fill(1));
  await file.write(new Uint8Array(100).fill(2));
  await file.truncate(150);
  assertEquals((await content()).length, 150);
  await file.write(new Uint8Array(10).fill(3));
  file.close();
  const expected = new Uint8Array(160).fill(1, 0, 100).fill(2, 100, 150).fill(3, 150);
  assertEquals(await content(), expected);
});
