import { assertEquals } from "@std/assert";
import { FileRoot } from "../../../src/dialects/trace_files/file_root.ts";
import { FileWriter } from "../../../src/dialects/trace_files/file_writer.ts";
import { temporaryName } from "../../../src/dialects/trace_files/names.ts";
import { applyRetention, sweepTemporaries } from "../../../src/dialects/trace_files/retention.ts";
import { filesBelow } from "../../support/parts.ts";
import { type TempDir, tempDir } from "../../support/temp.ts";

const now = Date.UTC(2026, 5, 1);

/** A root with files of these ages in ms, by path. */
async function rootWith(temp: TempDir, ages: Record<string, number>): Promise<FileRoot> {
  const root = await FileRoot.open(`${temp.path}/files`);
  for (const [path, age] of Object.entries(ages)) {
    const full = `${root.path}/${path}`;
    await Deno.mkdir(full.slice(0, full.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(full, path);
    await Deno.utime(full, (now - age) / 1000, (now - age) / 1000);
  }
  return root;
}

Deno.test("applyRetention() keeps the newest files of each directory, and none that are too old", async () => {
  await using temp = await tempDir();
  const root = await rootWith(temp, {
    "a/1": 10,
    "a/2": 20,
    "a/3": 30,
    "a/4": 9_000,
    "b/1": 40,
    "b/c/1": 8_000,
    "top": 5,
  });
  const writer = new FileWriter(root, { isDurable: false });
  const report = await applyRetention({ maxFiles: 2, maxAgeMs: 5_000 }, now, { root, writer });
  assertEquals(report, { age: 2, count: 1 });
  assertEquals(await filesBelow(temp.path, "files"), ["files/a/1", "files/a/2", "files/b/1", "files/top"]);
  assertEquals(await applyRetention({ maxFiles: 0, maxAgeMs: 0 }, now, { root, writer }), {
    age: 0,
    count: 0,
  });
});

Deno.test("applyRetention() leaves a file that is written while it looks", async () => {
  await using temp = await tempDir();
  const root = await rootWith(temp, { "a/old": 9_000 });
  const writer = new FileWriter(root, { isDurable: false });
  const directory = (await root.enter(["a"], { make: false }))!;
  const gate = Promise.withResolvers<void>();
  const held = writer.exclusively({ directory, name: "old" }, () => gate.promise);
  const removing = applyRetention({ maxFiles: 0, maxAgeMs: 5_000 }, now, { root, writer });
  const writing = writer.write({ directory, name: "old", bytes: new TextEncoder().encode("new") });
  gate.resolve();
  await Promise.all([held, writing, removing]);
  // Whichever of the two had its turn first, what was told to be written is there.
  assertEquals(await Deno.readTextFile(`${root.path}/a/old`), "new");
});

Deno.test("neither retention nor the sweep follows a link or touches what lies outside", async () => {
  await using temp = await tempDir();
  const root = await rootWith(temp, { "a/1": 9_000 });
  const litter = temporaryName();
  await Deno.mkdir(`${temp.path}/outside`);
  for (const name of ["old", litter]) {
    await Deno.writeTextFile(`${temp.path}/outside/${name}`, "");
    await Deno.utime(`${temp.path}/outside/${name}`, 1, 1);
  }
  await Deno.symlink(`${temp.path}/outside`, `${root.path}/link`);
  await Deno.symlink(`${temp.path}/outside/old`, `${root.path}/a/link`);
  const writer = new FileWriter(root, { isDurable: false });
  assertEquals(await applyRetention({ maxFiles: 0, maxAgeMs: 1 }, now, { root, writer }), {
    age: 1,
    count: 0,
  });
  assertEquals(await sweepTemporaries(root), 0);
  assertEquals((await filesBelow(temp.path, "outside")).length, 2);
});

Deno.test("sweepTemporaries() removes what was not finished, wherever it lies, and nothing else", async () => {
  await using temp = await tempDir();
  const root = await rootWith(temp, { "a/b/keep": 1, ".weir": 1, "a/.weir-x": 1 });
  for (const folder of ["", "/a", "/a/b"]) {
    await Deno.writeTextFile(`${root.path}${folder}/${temporaryName()}`, "half");
  }
  assertEquals(await sweepTemporaries(root), 3);
  assertEquals(await filesBelow(temp.path, "files"), ["files/.weir", "files/a/.weir-x", "files/a/b/keep"]);
});
