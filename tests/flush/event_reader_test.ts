import { assert, assertEquals, assertRejects } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import { EventReader } from "../../src/flush/event_reader.ts";
import { tempDir } from "../support/temp.ts";
import { addEvent, type House, openHouse, start } from "./house.ts";

const decoder = new TextDecoder();
const everything = { project: "p", from: -Infinity, to: Infinity };

function readerOf(house: House, dataDir: string): EventReader {
  const { indexes, prepared: { catalog } } = house;
  return new EventReader({ dataDir, indexes, catalog });
}

async function idsOf(reader: EventReader, limit = 10_000): Promise<string[]> {
  using lines = await reader.newest({ ...everything, limit });
  const ids: string[] = [];
  for (let line = await lines.read(); line !== undefined; line = await lines.read()) {
    ids.push(JSON.parse(decoder.decode(line)).id);
  }
  return ids;
}

for (const compression of ["none", "gzip", "zstd"] as const) {
  Deno.test(`EventReader finds lines wherever pieces begin and end (${compression})`, async () => {
    await using dir = await tempDir();
    await using house = await openHouse(dir.path, { compression });
    const reader = readerOf(house, dir.path);
    const sizes = [10, 3_000_000, 70_000, 1_048_000, 600, 2_000_000, ...Array(400).fill(9_000)];
    const ids = sizes.map((_, i) => String(i).padStart(4, "0"));
    for (let from = 0; from < sizes.length; from += 100) {
      await house.append((unit) => {
        for (let i = from; i < Math.min(from + 100, sizes.length); i++) {
          addEvent(unit, { id: ids[i], at: start + i, padding: sizes[i] });
        }
      });
    }
    const expected = ids.toReversed();
    assertEquals(await idsOf(reader), expected);
    await house.flusher.flush("all");
    assertEquals(await idsOf(reader), expected);
    assertEquals(await idsOf(reader, 7), expected.slice(0, 7));
  });
}

Deno.test("EventReader sees every event once while flushes come and go", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  const reader = readerOf(house, dir.path);
  let stored = 0;
  const failures: unknown[] = [];
  const storing = (async (): Promise<void> => {
    for (; stored < 600 && failures.length === 0; stored++) {
      const event = { id: String(stored).padStart(4, "0"), at: start + stored };
      await house.append((unit) => addEvent(unit, event));
      if (stored % 20 === 0) await house.flusher.flush("due");
    }
  })();
  while (stored < 600 && failures.length === 0) {
    // Where nothing is stored, nothing is waited for, and the other side would never have its turn.
    await new Promise((resolve) => setTimeout(resolve, 0));
    const before = stored;
    try {
      const ids = await idsOf(reader);
      assert(ids.length >= before, `${ids.length} of ${before}`);
      assertEquals(new Set(ids).size, ids.length);
      assertEquals(ids, ids.toSorted().reverse());
    } catch (error) {
      failures.push(error);
    }
  }
  await storing;
  assertEquals(failures, []);
});

Deno.test("EventReader reads lines that were found when the flush has taken their segment away", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  const reader = readerOf(house, dir.path);
  await house.append((unit) => {
    addEvent(unit, { id: "a", at: start });
    addEvent(unit, { id: "b", at: start + 1 });
  });
  using lines = await reader.newest({ ...everything, limit: 10 });
  await house.flusher.flush("all");
  const read = [await lines.read(), await lines.read(), await lines.read()];
  assertEquals(read.map((line) => line && JSON.parse(decoder.decode(line)).id), ["b", "a", undefined]);
});

Deno.test("EventReader refuses more readers than it can bear, and is free when they are done", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  const reader = readerOf(house, dir.path);
  const query = { ...everything, limit: 1 };
  const readers = await Promise.all(Array.from({ length: 16 }, () => reader.newest(query)));
  const error = await assertRejects(() => reader.newest(query), WeirError);
  assertEquals([error.code, error.retryAfterS], ["overloaded", 2]);
  for (const lines of readers) lines[Symbol.dispose]();
  (await reader.newest(query))[Symbol.dispose]();
});
