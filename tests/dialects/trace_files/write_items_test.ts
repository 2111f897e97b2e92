import { assert, assertEquals } from "@std/assert";
import { FileRoot } from "../../../src/dialects/trace_files/file_root.ts";
import { FileWriter } from "../../../src/dialects/trace_files/file_writer.ts";
import type { Item } from "../../../src/dialects/trace_files/item.ts";
import { writeItems, type Written } from "../../../src/dialects/trace_files/write_items.ts";
import { tempDir } from "../../support/temp.ts";

function itemsIn(directories: readonly string[]): Item[] {
  return directories.map((directory, index) => ({
    index,
    fileName: "f",
    directory,
    bytes: new Uint8Array([index]),
    problem: undefined,
  }));
}

/** Writes a file into each of the directories `a` and `b`; tells what was expected, and what came of it. */
async function writeTwo(
  root: string,
  passed: (place: string) => void,
): Promise<{ expected: (readonly Written[])[]; files: readonly Written[] }> {
  const files = await FileRoot.open(root);
  const writer = new FileWriter(files, { isDurable: true, passed });
  const make = async (name: string) => (await files.enter([name], { make: true, isDurable: true }))!;
  const expected: (readonly Written[])[] = [];
  const items = itemsIn(["a", "b"]);
  const expect = (those: readonly Written[]): void => void expected.push(those);
  return {
    expected,
    files: await writeItems(items, ({ directory }) => directory!, { store: { writer, make }, expect }),
  };
}

Deno.test("writeItems() tells what it will return, once, and returns just that when all goes well", async () => {
  await using folder = await tempDir();
  const { expected, files } = await writeTwo(folder.path, () => undefined);
  assertEquals(files.map(({ path, problem }) => [path, problem]), [["a/f", undefined], ["b/f", undefined]]);
  assertEquals(expected.length, 1);
  assert(expected[0] === files);
});

Deno.test("writeItems() returns other files than it told when a directory is swapped before it is synced", async () => {
  await using folder = await tempDir();
  const { expected, files } = await writeTwo(folder.path, (place) => {
    if (place !== "files.renamed") return;
    // The second one of the two.
    try {
      Deno.lstatSync(`${folder.path}/a/f`);
      Deno.lstatSync(`${folder.path}/b/f`);
    } catch {
      return;
    }
    Deno.renameSync(`${folder.path}/b`, `${folder.path}/c`);
    Deno.mkdirSync(`${folder.path}/b`);
  });
  assertEquals(files.map(({ path, problem }) => [path, problem?.code]), [["a/f", undefined], [
    undefined,
    "invalid_directory",
  ]]);
  assertEquals(expected.length, 1);
  assert(expected[0] !== files);
  assertEquals(expected[0].map(({ problem }) => problem), [undefined, undefined]);
});
