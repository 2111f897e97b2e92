import { assertEquals } from "@std/assert";
import { dayOf, rowPlace, type Unit } from "../../src/base/record.ts";
import { type RowOwner, SessionRowReader } from "../../src/flush/session_row_reader.ts";
import { tempDir } from "../support/temp.ts";
import { type House, openHouse, start } from "./house.ts";

const decoder = new TextDecoder();
const session: RowOwner = { app: "a", sid: "S" };

function readerOf(house: House, dataDir: string): SessionRowReader {
  const { indexes, prepared: { catalog } } = house;
  return new SessionRowReader({ dataDir, indexes, catalog });
}

function addAction(unit: Unit, id: string, { t, sid = "S" }: { t: number; sid?: string }): void {
  unit.writer.text(JSON.stringify({ kind: "action", id, app: "a", sid, rid: "R", t }));
  unit.close(rowPlace("action", "a", dayOf(t)));
}

async function idsOf(rows: AsyncIterable<{ line: Uint8Array }>): Promise<string[]> {
  const ids: string[] = [];
  for await (const { line } of rows) ids.push(JSON.parse(decoder.decode(line)).id);
  return ids;
}

Deno.test("SessionRowReader reads rows of one session by their time, flushed or not", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  const reader = readerOf(house, dir.path);
  await house.append((unit) => {
    addAction(unit, "2", { t: start + 2 });
    addAction(unit, "other", { t: start, sid: "T" });
  });
  await house.flusher.flush("all");
  await house.append((unit) => addAction(unit, "1", { t: start + 1 }));
  assertEquals(await idsOf(reader.rows(session)), ["1", "2"]);
});

Deno.test("SessionRowReader reads segments that are gone from the disk since it began", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  const reader = readerOf(house, dir.path);
  await house.append((unit) => addAction(unit, "1", { t: start }));
  await house.append((unit) => addAction(unit, "2", { t: start + 1 }));
  const rows = reader.rows(session);
  const first = rows.next();
  // At once: nothing of it is read yet.
  Deno.renameSync(`${dir.path}/journal`, `${dir.path}/away`);
  const { value } = await first;
  assertEquals([JSON.parse(decoder.decode(value!.line)).id, ...await idsOf(rows)], ["1", "2"]);
  await Deno.rename(`${dir.path}/away`, `${dir.path}/journal`);
});

Deno.test("SessionRowReader sees every row once while flushes come and go", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  const reader = readerOf(house, dir.path);
  for (let i = 0; i < 100; i++) {
    await house.append((unit) => addAction(unit, String(i), { t: start + i }));
    const flushing = i % 10 === 0 ? house.flusher.flush("all") : undefined;
    const ids = await idsOf(reader.rows(session));
    assertEquals(ids, Array.from({ length: i + 1 }, (_, k) => String(k)));
    await flushing;
  }
});
