import { assertEquals } from "@std/assert";
import { hexesOf, storedDigests, storedIdentity } from "../support/digests.ts";
import type { RetentionLimits } from "../../src/flush/retention.ts";
import { filesBelow, readRows } from "../support/parts.ts";
import { tempDir } from "../support/temp.ts";
import { addBatch, addEvent, addReply, HandClock, openHouse, start } from "./house.ts";

const day = 86_400_000;
const keepAll: RetentionLimits = {
  maxAgeMs: 0,
  maxBytes: 0,
  identityKeepMs: 5 * day,
  replyKeepMs: day,
  quarantine: { maxAgeMs: 0, maxBytes: 0 },
};

Deno.test("retention by age removes parts a whole day after both their day and their writing are past", async () => {
  await using dir = await tempDir();
  const clock = new HandClock();
  await using house = await openHouse(dir.path, { clock, retention: { ...keepAll, maxAgeMs: day } });
  await house.append((unit) => {
    addEvent(unit, { id: "long ago", at: start - 4 * day });
    addEvent(unit, { id: "today" });
    addBatch(unit, "[1]", { rid: "R" });
  });
  await house.flusher.flush("all");
  assertEquals((await readRows(dir.path, "events")).length, 2, "late rows are not removed at once");
  clock.time = start + day;
  await house.flusher.flush("due");
  assertEquals((await readRows(dir.path, "events")).length, 2);
  clock.time++;
  await house.flusher.flush("due");
  assertEquals((await readRows(dir.path, "events")).map(({ id }) => id), ["today"]);
  assertEquals(house.traces.rids("a", "S"), ["R"]);
  clock.time = Date.UTC(2026, 10, 22) + 1;
  await house.flusher.flush("due");
  assertEquals(await filesBelow(dir.path, "events"), []);
  assertEquals([...Deno.readDirSync(`${dir.path}/events`)], [], "empty folders go too");
  assertEquals(house.traces.rids("a", "S"), []);
  assertEquals(await house.traces.readRequest({ app: "a", sid: "S", rid: "R" }), undefined);
});

Deno.test("retention by bytes removes the oldest parts first, and no more than it must", async () => {
  await using dir = await tempDir();
  const clock = new HandClock();
  await using house = await openHouse(dir.path, { clock, retention: { ...keepAll, maxBytes: 3500 } });
  for (let i = 0; i < 5; i++) {
    clock.time += 1000;
    await house.append((unit) => addEvent(unit, { id: `${i}`, padding: 900 }));
    await house.flusher.flush("due");
  }
  assertEquals((await readRows(dir.path, "events")).map(({ id }) => id), ["2", "3", "4"]);
});

Deno.test("retention forgets identities and replies whose time is past", async () => {
  await using dir = await tempDir();
  const clock = new HandClock();
  await using house = await openHouse(dir.path, { clock, retention: keepAll });
  const { catalog } = house.prepared;
  await house.append((unit) => {
    addEvent(unit, { id: "1", insertId: "first" });
    addReply(unit, "first", clock.time);
  });
  await house.flusher.flush("due");
  clock.time += 2 * day;
  await house.append((unit) => {
    addEvent(unit, { id: "2", insertId: "second" });
    addReply(unit, "second", clock.time);
  });
  await house.flusher.flush("due");
  assertEquals([catalog.reply("first"), catalog.reply("second")?.status], [undefined, 202]);
  assertEquals(storedDigests(catalog), hexesOf(catalog, ["p1:psecond", "p1:pfirst"]));
  clock.time = start + 6 * day;
  await house.flusher.flush("due");
  assertEquals(storedDigests(catalog), hexesOf(catalog, ["p1:psecond"]));
  assertEquals(storedIdentity(catalog, "p1:pfirst"), undefined);
  const { repeats } = await house.append((unit) => addEvent(unit, { id: "3", insertId: "first" }));
  assertEquals(repeats, 0);
});

Deno.test("retention looks at the parts only every so often", async () => {
  await using dir = await tempDir();
  const clock = new HandClock();
  const retention = { ...keepAll, maxBytes: 1 };
  await using house = await openHouse(dir.path, { clock, retention, retentionIntervalMs: 60_000 });
  await house.flusher.flush("due");
  await house.append((unit) => addEvent(unit, { id: "1" }));
  await house.flusher.flush("due");
  clock.time += 59_999;
  await house.flusher.flush("due");
  assertEquals((await readRows(dir.path, "events")).length, 1);
  clock.time += 1;
  await house.flusher.flush("due");
  assertEquals(await readRows(dir.path, "events"), []);
});
