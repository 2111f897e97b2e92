import { assert, assertEquals } from "@std/assert";
import { storedDigests, storedIdentity } from "../support/digests.ts";
import { readParts, readRows } from "../support/parts.ts";
import { tempDir } from "../support/temp.ts";
import { addBatch, addEvent, addMeta, addReply, HandClock, openHouse, start, textOf } from "./house.ts";

Deno.test("Flusher writes rows into the parts of their partitions, byte for byte", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  await house.append((unit) => {
    addEvent(unit, { id: "1" });
    addEvent(unit, { id: "2", project: "../q" });
    addEvent(unit, { id: "3", at: start + 86_400_000 });
  });
  await house.append((unit) => addEvent(unit, { id: "4" }));
  const report = await house.flusher.flush("due");

  const parts = await readParts(dir.path, "events");
  assertEquals(parts.map(({ partition, rows }) => [partition, rows.map(({ id }) => id)]), [
    ["events/project=%2E.%2Fq/date=2026-11-20", ["2"]],
    ["events/project=p/date=2026-11-20", ["1", "4"]],
    ["events/project=p/date=2026-11-21", ["3"]],
  ]);
  assertEquals([report.parts, report.rows, report.requests], [3, 4, 0]);
  assertEquals(house.prepared.catalog.checkpoint(), house.journal.currentSegment);
  assertEquals(house.journal.segments, [house.journal.currentSegment]);
});

Deno.test("Flusher remembers identities and replies of what it wrote", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  await house.append((unit) => {
    for (let i = 0; i < 250; i++) addEvent(unit, { id: `${i}`, insertId: `i"${i}` }, i);
    addReply(unit, "scope\nkey");
  });
  await house.flusher.flush("due");
  const { catalog } = house.prepared;
  assertEquals(storedDigests(catalog).length, 250);
  assertEquals(storedIdentity(catalog, `p1:pi"7`), { deviceId: "device 7", sessionId: 'session "7"' });
  assertEquals(storedIdentity(catalog, "p1:pnot this"), undefined);
  assertEquals(catalog.reply("scope\nkey")?.body, '{"for":"scope\nkey"}');
  const { repeats } = await house.append((unit) => addEvent(unit, { id: "x", insertId: `i"7` }));
  assertEquals(repeats, 1);
});

Deno.test("Flusher writes a complete request as one line, its batches joined in order", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  await house.append((unit) => addBatch(unit, '[{"b":1},{"b":2}]', { rid: "R", index: 2, total: 3 }));
  await house.append((unit) =>
    addMeta(unit, '{"method":"GET","status":200,"big":12345678901234567890}', { rid: "R" })
  );
  await house.append((unit) => addBatch(unit, "[ ]", { rid: "R", index: 1 }));
  await house.append((unit) => addBatch(unit, '[{"a":"]"}]', { rid: "R", index: 0 }));
  await house.flusher.flush("due");

  const [{ lines, rows: [line], partition }] = await readParts(dir.path, "traces");
  assertEquals(partition, "traces/app=a/date=2026-11-20");
  assertEquals(line.events, [{ a: "]" }, { b: 1 }, { b: 2 }]);
  assertEquals([line.rid, line.total, line.missing, line.complete], ["R", 3, [], true]);
  assertEquals([line.method, line.status, line.first_part], ["GET", 200, true]);
  assert(lines[0].includes('"big":12345678901234567890,'), "a number keeps its digits");
  const bytes = new TextEncoder().encode(lines[0]);
  const head = new TextDecoder().decode(bytes.subarray(0, line.head_bytes as number));
  assert(head.endsWith(',"events":['));
});

Deno.test("Flusher says of a later line what is true of all lines together", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  await house.append((unit) => addBatch(unit, "[1]", { rid: "R", index: 0, total: 4 }));
  await house.flusher.flush("all");
  await house.append((unit) => addBatch(unit, "[4]", { rid: "R", index: 3 }));
  await house.append((unit) => addBatch(unit, "[2]", { rid: "R", index: 1 }));
  await house.flusher.flush("all");
  await house.append((unit) => addBatch(unit, "[3]", { rid: "R", index: 2 }));
  await house.flusher.flush("all");
  const lines = await readRows(dir.path, "traces");
  assertEquals(
    lines.map(({ events, missing, complete, part, total }) => ({ events, missing, complete, part, total })),
    [
      { events: [1], missing: [1, 2, 3], complete: false, part: 0, total: 4 },
      { events: [2, 4], missing: [2], complete: false, part: 1, total: 4 },
      { events: [3], missing: [], complete: true, part: 2, total: 4 },
    ],
  );
});

Deno.test("Flusher leaves an open request in the journal until it is idle, and drops what nobody needs", async () => {
  await using dir = await tempDir();
  const clock = new HandClock();
  await using house = await openHouse(dir.path, { clock, idleMs: 30_000 });
  await house.append((unit) => addBatch(unit, "[1]", { rid: "R", index: 0 }));
  const held = house.journal.currentSegment;
  await house.flusher.flush("due");
  await house.append((unit) => addEvent(unit, { id: "1" }));
  await house.flusher.flush("due");
  assertEquals(house.journal.segments, [held, house.journal.currentSegment]);
  assertEquals(await readRows(dir.path, "traces"), []);
  clock.time += 30_000;
  const segment = house.journal.currentSegment;
  await house.flusher.flush("due");
  assertEquals((await readRows(dir.path, "traces")).map(({ rid, complete }) => [rid, complete]), [[
    "R",
    false,
  ]]);
  assertEquals(house.journal.segments, [segment], "no new segment where nothing came");
  await house.flusher.flush("all");
  assertEquals(house.journal.segments, [segment]);
});

Deno.test("Flusher gives parts of one checkpoint different names", async () => {
  await using dir = await tempDir();
  const clock = new HandClock();
  await using house = await openHouse(dir.path, { clock, idleMs: 1000 });
  await house.append((unit) => addBatch(unit, "[1]", { rid: "A" }));
  await house.append((unit) => addBatch(unit, "[1]", { rid: "B" }));
  clock.time += 1000;
  await house.append((unit) => addBatch(unit, "[2]", { rid: "B", index: 1 }));
  await house.flusher.flush("due");
  clock.time += 1000;
  await house.flusher.flush("due");
  const parts = await readParts(dir.path, "traces");
  assertEquals(parts.map(({ path, rows }) => [path.slice(-8), rows.map(({ rid }) => rid)]), [
    ["0.ndjson", ["A"]],
    ["1.ndjson", ["B"]],
  ]);
  assertEquals(parts[0].path.slice(0, -8), parts[1].path.slice(0, -8));
});

Deno.test("Flusher lets calls during a flush share one after it", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  await house.append((unit) => addEvent(unit, { id: "1" }));
  const first = house.flusher.flush("due");
  await house.append((unit) => addBatch(unit, "[1]", { rid: "R" }));
  const second = house.flusher.flush("due");
  const third = house.flusher.flush("all");
  assertEquals((await first).rows, 1);
  assertEquals(await second, await third);
  assertEquals((await third).requests, 1);
});

Deno.test("Flusher flushes early once the journal holds enough", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path, { journalBytes: 1000 });
  house.flusher.start();
  await house.append((unit) => addEvent(unit, { id: "1" }));
  house.flusher.poke();
  await house.append((unit) => addEvent(unit, { id: "2", padding: 1000 }));
  assertEquals(await readRows(dir.path, "events"), []);
  house.flusher.poke();
  await house.flusher.flush("due");
  assertEquals((await readRows(dir.path, "events")).length, 2);
  assertEquals(house.logged.filter(({ message }) => message === "Flushed").length, 1);
});

Deno.test("Flusher.stop() writes everything that is open", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  house.flusher.start();
  await house.append((unit) => addBatch(unit, "[1]", { rid: "R" }));
  await house.append((unit) => addEvent(unit, { id: "1" }));
  await house.flusher.stop();
  await house.flusher.stop();
  assertEquals((await readRows(dir.path, "traces")).length, 1);
  assertEquals((await readRows(dir.path, "events")).length, 1);
});

Deno.test("Flusher writes requests of many megabytes through a bounded buffer", async () => {
  await using dir = await tempDir();
  for (const compression of ["none", "gzip", "zstd"] as const) {
    const path = `${dir.path}/${compression}`;
    await using house = await openHouse(path, { compression });
    const events = (i: number): string => JSON.stringify([{ i, pad: "x".repeat(3000) }]);
    for (let i = 1499; i >= 0; i--) {
      const rid = i % 2 === 0 ? "big" : "other";
      await house.append((unit) => addBatch(unit, events(i), { rid, index: Math.floor(i / 2) }));
    }
    await house.append((unit) => addMeta(unit, '{"method":"PUT"}', { rid: "big" }));
    await house.flusher.flush("all");
    const request = await house.traces.readRequest({ app: "a", sid: "S", rid: "big" });
    const read = JSON.parse(await textOf(request!.events())) as { i: number }[];
    assertEquals(read.map(({ i }) => i), Array.from({ length: 750 }, (_, i) => i * 2));
    assertEquals(await textOf(request!.batchEvents(request!.batches[700])), events(1400));
  }
});
