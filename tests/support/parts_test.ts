import { assertEquals, assertRejects } from "@std/assert";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { readParts, readRows } from "./parts.ts";
import { tempDir } from "./temp.ts";

Deno.test("readParts() reads plain, gzip and zstd parts in order of their paths", async () => {
  await using data = await tempDir();
  const folder = `${data.path}/events/project=p/date=2026-11-20`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/1-0.ndjson`, '{"n":1}\n{"n":2}\n');
  await Deno.writeFile(`${folder}/2-0.ndjson.gz`, gzipSync('{"n":3}\n'));
  // As the daemon writes them: one frame behind the other.
  const both = new Uint8Array([...zstdCompressSync('{"n":4}\n'), ...zstdCompressSync('{"n":5}\n')]);
  await Deno.writeFile(`${folder}/3-0.ndjson.zst`, both);
  await Deno.writeTextFile(`${folder}/4-0.ndjson.tmp`, '{"n":');
  const parts = await readParts(data.path, "events");
  assertEquals(parts.map((part) => part.path.split("/").at(-1)), [
    "1-0.ndjson",
    "2-0.ndjson.gz",
    "3-0.ndjson.zst",
  ]);
  assertEquals(parts[0].partition, "events/project=p/date=2026-11-20");
  assertEquals(parts[0].lines, ['{"n":1}', '{"n":2}']);
  assertEquals(await readRows(data.path, "events"), [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }]);
});

Deno.test("readParts() refuses a part that is cut, and finds none where there is no folder", async () => {
  await using data = await tempDir();
  assertEquals(await readParts(data.path, "events"), []);
  await Deno.mkdir(`${data.path}/events`);
  await Deno.writeTextFile(`${data.path}/events/1-0.ndjson`, '{"n":1}\n{"n"');
  await assertRejects(() => readParts(data.path, "events"), Error, "does not end with a line break");
});
