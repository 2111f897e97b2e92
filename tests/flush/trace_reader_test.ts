import { assert, assertEquals, assertRejects } from "@std/assert";
import { tempDir } from "../support/temp.ts";
import { addBatch, addMeta, type House, openHouse, start, textOf } from "./house.ts";
import type { StoredRequest } from "../../src/flush/trace_reader.ts";

const name = { app: "a", sid: "S", rid: "R" };

async function read(house: House): Promise<StoredRequest> {
  const request = await house.traces.readRequest(name);
  assert(request !== undefined);
  return request;
}

for (const compression of ["none", "gzip", "zstd"] as const) {
  Deno.test(`TraceReader joins what journal and ${compression} parts hold, the later batch winning`, async () => {
    await using dir = await tempDir();
    await using house = await openHouse(dir.path, { compression });
    const batch = (index: number, events: string): Promise<unknown> =>
      house.append((unit) => addBatch(unit, events, { rid: "R", index }));
    const meta = (t: number, fields: string): Promise<unknown> =>
      house.append((unit) => addMeta(unit, fields, { rid: "R", t }));
    await batch(0, '["old",0]');
    await batch(2, "[2]");
    await meta(start + 5, '{"status":200,"url":"/a","gone":1}');
    await house.flusher.flush("all");
    await batch(4, "[]");
    await meta(start + 9, '{"gone":null}');
    await house.flusher.flush("all");
    await batch(0, '["new",0]');
    await batch(5, "[ \t]");
    await batch(1, '[1,{"a":"é"}]');
    await meta(start, '{"status":100,"method":"GET"}');

    for (const isFlushed of [false, true]) {
      if (isFlushed) await house.flusher.flush("all");
      const request = await read(house);
      assertEquals(request.fields, { status: 200, url: "/a", gone: null, method: "GET" });
      assertEquals(request.batches.map(({ index }) => index), [0, 1, 2, 4, 5]);
      assertEquals([request.missing, request.complete, request.replaced], [[3], false, 1]);
      assertEquals(JSON.parse(await textOf(request.events())), ["new", 0, 1, { a: "é" }, 2]);
      const each = [];
      for (const stored of request.batches) each.push(JSON.parse(await textOf(request.batchEvents(stored))));
      assertEquals(each, [["new", 0], [1, { a: "é" }], [2], [], []]);
    }
  });
}

Deno.test("TraceReader lists the requests of a session, flushed or not, and of no other", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  const add = (rid: string, t: number, sid = "S"): Promise<unknown> =>
    house.append((unit) => addBatch(unit, "[1]", { rid, t, sid }));
  await add("late", start + 10);
  await add("early", start);
  await add("other", start, "S2");
  await house.flusher.flush("all");
  await add("open", start);
  await house.append((unit) => addBatch(unit, "[2]", { rid: "late", index: 1 }));
  assertEquals(house.traces.rids("a", "S"), ["early", "late", "open"]);
  assertEquals(house.traces.rids("b", "S"), []);
  const rids = [];
  for await (const request of house.traces.readTraces("a", "S")) rids.push(request.rid);
  assertEquals(rids, ["early", "late", "open"]);
  assertEquals(await house.traces.readRequest({ ...name, rid: "unknown" }), undefined);
});

Deno.test("StoredRequest.events() finds a batch that was flushed after the request was looked up", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  for (let index = 0; index < 3; index++) {
    await house.append((unit) => addBatch(unit, `[${index}]`, { rid: "R", index }));
  }
  const request = await read(house);
  const pieces = request.events();
  await pieces.next();
  await house.flusher.flush("all");
  assertEquals(house.journal.segments.length, 1, "the segment it was found in is gone");
  assertEquals(JSON.parse("[" + await textOf(pieces)), [0, 1, 2]);
});

Deno.test("StoredRequest.events() ends its files when the reader leaves early", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path, { compression: "gzip" });
  await house.append((unit) => addBatch(unit, `["${"x".repeat(3_000_000)}"]`, { rid: "R" }));
  for (const isFlushed of [false, true]) {
    if (isFlushed) await house.flusher.flush("all");
    let bytes = 0;
    for await (const piece of (await read(house)).events()) {
      bytes += piece.length;
      assert(piece.length <= 1024 * 1024);
      if (bytes > 100_000) break;
    }
  }
});

Deno.test("StoredRequest.events() fails rather than leave out a batch whose part is gone", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  await house.append((unit) => addBatch(unit, "[1]", { rid: "R" }));
  await house.flusher.flush("all");
  const request = await read(house);
  await Deno.remove(`${dir.path}/traces`, { recursive: true });
  await assertRejects(() => textOf(request.events()), Deno.errors.NotFound);
  await house.append((unit) => addBatch(unit, "[2]", { rid: "R", index: 1 }));
  const again = await read(house);
  assertEquals([again.missing, await textOf(again.events())], [[0], "[2]"]);
});
