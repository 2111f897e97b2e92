import { assert, assertEquals, assertThrows } from "@std/assert";
import { createMetrics } from "../../src/base/metrics.ts";
import { frameHeaderBytes, type TracePlace, Unit } from "../../src/base/record.ts";
import { Indexes, type IndexLimits } from "../../src/index/indexes.ts";
import { unpackRequests } from "../../src/index/packed_requests.ts";
import { MemoryCatalog } from "./memory_catalog.ts";
import { addBatch, addMeta, addReply, addRow, identityOf, ridsOf, unitOf } from "./units.ts";

const limits: IndexLimits = { idleMs: 1000, maxRequests: 100, maxIndexBytes: 1e9, idempotencyKeepMs: 1000 };

function newIndexes(changes: Partial<IndexLimits> = {}): { indexes: Indexes; catalog: MemoryCatalog } {
  const catalog = new MemoryCatalog();
  const clock = { now: () => 0, monotonic: () => 0 };
  const indexes = new Indexes({ catalog, clock, metrics: createMetrics(), ...limits, ...changes });
  return { indexes, catalog };
}

function textOf(unit: Unit): string {
  return new TextDecoder().decode(unit.writer.view(frameHeaderBytes));
}

Deno.test("Indexes.reserve() takes repeats out of the unit and says what the first was answered", () => {
  const { indexes } = newIndexes();
  const first = identityOf("x");
  const again = { ...identityOf("x", { row: 2 }), memo: { deviceId: "other", sessionId: "other" } };
  const unit = unitOf((unit) => {
    addRow(unit, { id: "1", identity: first });
    addRow(unit, { id: "1-session", kind: "session", identity: first });
    addRow(unit, { id: "2" });
    addRow(unit, { id: "3", identity: again });
    addRow(unit, { id: "3-session", kind: "session", identity: again });
    addRow(unit, { id: "1-bot", kind: "bot", identity: first });
  });
  const { identities } = indexes.reserve(unit);
  assertEquals(identities, [again]);
  assertEquals(again.first, first.memo);
  assertEquals(first.first, undefined);
  const ids = textOf(unit).trimEnd().split("\n").map((line) => JSON.parse(line).id);
  assertEquals(ids, ["1", "1-session", "2", "1-bot"]);
});

Deno.test("Indexes.reserve() tells rows apart that share one memo", () => {
  const { indexes } = newIndexes();
  const memo = { deviceId: "d", sessionId: "s" };
  const identities = [0, 1, 2].map((row) => ({ ...identityOf("x", { row }), memo }));
  const unit = unitOf((unit) => identities.forEach((identity, i) => addRow(unit, { id: `${i}`, identity })));
  assertEquals(indexes.reserve(unit).identities, identities.slice(1));
  assertEquals(unit.count, 1);
});

Deno.test("Indexes.reserve() writes the number of a batch that came without into its line", () => {
  const { indexes } = newIndexes();
  const unit = unitOf((unit) => {
    addBatch(unit, { rid: "r", t: 1, content: 1 });
    addBatch(unit, { rid: "r", t: 2, content: 1 });
    addBatch(unit, { rid: "r", t: 3, content: 2 });
    addBatch(unit, { rid: "r", index: 1_234_567, t: 4, content: 3 });
    addBatch(unit, { rid: "r", t: 5, content: 4 });
  });
  assertEquals(indexes.reserve(unit).duplicateBatches, 1);
  const found = textOf(unit).trimEnd().split("\n").map((line) => JSON.parse(line).index);
  assertEquals(found, [0, 1, 1_234_567, 1_234_568]);
  assertEquals(unit.places.map((place) => (place as TracePlace).index), found);
});

Deno.test("Indexes.reserve() keeps nothing of a unit that is all repeats", () => {
  const { indexes } = newIndexes();
  const make = (): Unit =>
    unitOf((unit) => {
      addRow(unit, { id: "1", identity: identityOf("x") });
      addBatch(unit, { rid: "r", index: 0, t: 1, content: 1 });
    });
  const first = make();
  indexes.reserve(first);
  const second = make();
  assertEquals(indexes.reserve(second).duplicateBatches, 1);
  assertEquals(second.count, 0);
  indexes.release(first);
  assertEquals(indexes.reserve(make()).duplicateBatches, 0);
});

Deno.test("Indexes.reserve() leaves nothing behind when the catalog fails", () => {
  const { indexes, catalog } = newIndexes();
  catalog.flushedBatches = () => {
    throw new Error("disk I/O error");
  };
  indexes.reserve(unitOf((unit) => addRow(unit, { id: "0", identity: identityOf("z") })));
  const repeat = identityOf("z");
  const unit = unitOf((unit) => {
    addRow(unit, { id: "1", identity: identityOf("x") });
    addRow(unit, { id: "2", identity: repeat });
    addBatch(unit, { rid: "r", index: 0, t: 1, content: 1 });
  });
  assertThrows(() => indexes.reserve(unit), Error, "disk I/O error");
  assertEquals(unit.count, 3);
  assertEquals(indexes.known(identityOf("x").key), undefined);
  assertEquals(repeat.first, undefined);
  assertEquals(indexes.stats().requests.entries, 0);
});

Deno.test("Indexes.reserve() refuses a batch without a number whose line has no room for one", () => {
  const { indexes } = newIndexes();
  const unit = unitOf((unit) => addBatch(unit, { rid: "r", t: 1, content: 1 }));
  unit.places[0] = { ...unit.places[0] as TracePlace, indexOffset: 0 };
  assertThrows(() => indexes.reserve(unit), RangeError, "its line must leave room");
});

Deno.test("Indexes.place() takes records that were added after the reservation", () => {
  const { indexes } = newIndexes();
  const unit = unitOf((unit) => addMeta(unit, { rid: "r", t: 1 }));
  indexes.reserve(unit);
  addReply(unit, "key", 0);
  indexes.place(unit, { segment: 1, offset: 24 });
  assertEquals(indexes.reply("key")?.status, 202);
  assertEquals(ridsOf(indexes.traces, "a", "S"), ["r"]);
  assertEquals(indexes.heldSegments(), new Set([1]));
});

Deno.test("Indexes.place() joins rows that follow each other in one partition", () => {
  const { indexes } = newIndexes();
  const unit = unitOf((unit) => {
    addRow(unit, { id: "1", identity: identityOf("x") });
    addRow(unit, { id: "2" });
    addRow(unit, { id: "3", kind: "session" });
    addRow(unit, { id: "4" });
  });
  indexes.reserve(unit);
  indexes.place(unit, { segment: 7, offset: 1000 });
  const [events, sessions] = [...indexes.rows.entries("")].map(({ extents }) => [...extents]);
  const at = (i: number): number => 1000 + unit.starts[i] - frameHeaderBytes;
  const length = (i: number): number => unit.end(i) - unit.starts[i];
  assertEquals(events, [7, at(0), length(0) + length(1), 2, 7, at(3), length(3), 1]);
  assertEquals(sessions, [7, at(2), length(2), 1]);
});

Deno.test("Indexes.place() refuses rows that no flush would write", () => {
  const { indexes } = newIndexes();
  indexes.plan(5, "all");
  const rows = unitOf((unit) => addRow(unit, { id: "1" }));
  assertThrows(
    () => indexes.place(rows, { segment: 4, offset: 24 }),
    RangeError,
    "Cannot place rows: their segment must be 5 or later: current value is 4",
  );
  indexes.place(rows, { segment: 5, offset: 24 });
});

Deno.test("Indexes allows one flush at a time, and ends the one that is under way", () => {
  const { indexes } = newIndexes();
  const plan = indexes.plan(2, "due");
  assertThrows(() => indexes.plan(3, "due"), Error, "the one before is not over");
  assertThrows(
    () => indexes.committed({ ...plan, checkpoint: 9 }),
    Error,
    "none is under way for checkpoint 9",
  );
  indexes.failed(plan);
  assertThrows(() => indexes.failed(plan), Error, "none is under way");
  indexes.committed(indexes.plan(3, "due"));
});

Deno.test("Indexes knows the identities of a unit for as long as it is on its way, however many flushes pass", () => {
  const { indexes } = newIndexes();
  const unit = unitOf((unit) => addRow(unit, { id: "1", identity: identityOf("x") }));
  indexes.reserve(unit);
  for (let flush = 0; flush < 5; flush++) {
    const plan = indexes.plan(1, "due");
    if (flush % 2 === 0) indexes.committed(plan);
    else indexes.failed(plan);
    assertEquals(indexes.known(identityOf("x").key), identityOf("x").memo);
  }
  indexes.release(unit);
  assertEquals(indexes.known(identityOf("x").key), undefined);
});

Deno.test("Indexes is crowded past a limit and full past a quarter more, until a flush made room", () => {
  const { indexes } = newIndexes({ maxRequests: 8 });
  const add = (rid: string): void => {
    const unit = unitOf((unit) => addBatch(unit, { rid, index: 0, t: 1, content: 0 }));
    indexes.reserve(unit);
    indexes.place(unit, { segment: 1, offset: 24 });
  };
  for (let i = 0; i < 8; i++) add(`r${i}`);
  assertEquals([indexes.isCrowded, indexes.isFull], [false, false]);
  add("r8");
  assertEquals([indexes.isCrowded, indexes.isFull], [true, false]);
  add("r9");
  add("r10");
  assertEquals([indexes.isCrowded, indexes.isFull], [true, true]);
  const plan = indexes.plan(2, "due");
  assertEquals([...unpackRequests(plan.requests)].map(({ rid }) => rid), ["r0", "r1", "r2", "r3", "r4"]);
  indexes.committed(plan);
  assertEquals([indexes.isCrowded, indexes.isFull], [false, false]);
  indexes.setLimits({ ...limits, maxRequests: 4 });
  assertEquals(indexes.isFull, true);
});

Deno.test("Indexes counts rows, identities and replies towards its limit on bytes", () => {
  const { indexes } = newIndexes({ maxIndexBytes: 40_000 });
  const unit = new Unit();
  for (let i = 0; i < 100; i++) addRow(unit, { id: `${i}`, identity: identityOf(`x${i}`) });
  indexes.reserve(unit);
  assertEquals(indexes.isCrowded, false);
  addReply(unit, "k".repeat(20_000), 0);
  indexes.place(unit, { segment: 1, offset: 24 });
  assertEquals(indexes.isCrowded, true);
});

Deno.test("Indexes.replay() takes traces only from before the checkpoint, and none that parts hold", () => {
  const { indexes, catalog } = newIndexes();
  const unit = unitOf((unit) => {
    addRow(unit, { id: "1", identity: identityOf("x") });
    addReply(unit, "key", 0);
    addBatch(unit, { rid: "written", index: 0, t: 1, content: 0 });
    addBatch(unit, { rid: "written", index: 0, t: 2, content: 1 });
    addMeta(unit, { rid: "open", t: 3 });
  });
  const { eventsOffset } = unit.places[3] as TracePlace;
  catalog.requests.set(JSON.stringify(["a", "S", "written"]), {
    batches: new Map([[0, 7920]]),
    through: { segment: 1, offset: 24 + unit.starts[3] - frameHeaderBytes + eventsOffset },
  });
  const payload = unit.writer.view().slice(frameHeaderBytes);
  assertEquals(indexes.replay({ segment: 1, offset: 24 }, payload, { rows: false }), 1);
  assertEquals(ridsOf(indexes.traces, "a", "S"), ["open"]);
  assertEquals(indexes.known(identityOf("x").key), undefined);
  assertEquals(indexes.reply("key"), undefined);
  assertEquals(indexes.replay({ segment: 2, offset: 24 }, payload, { rows: true }), 5);
  assertEquals(indexes.known(identityOf("x").key), identityOf("x").memo);
});

Deno.test("Indexes.replay() passes rows over that a rebuilt catalog knows from their parts", () => {
  const { indexes, catalog } = newIndexes();
  const unit = unitOf((unit) => {
    addRow(unit, { id: "1" });
    addRow(unit, { id: "2" });
  });
  catalog.isReplayed = (line?: Uint8Array) => new TextDecoder().decode(line).includes('"id":"1"');
  const payload = unit.writer.view().slice(frameHeaderBytes);
  assertEquals(indexes.replay({ segment: 1, offset: 24 }, payload, { rows: true }), 1);
  assertEquals(indexes.stats().rows.entries, 1);
});

Deno.test("Indexes.replay() takes up nothing of a frame with a line that is no record", () => {
  const { indexes } = newIndexes();
  const unit = unitOf((unit) => addRow(unit, { id: "1" }));
  unit.writer.text("{}\n");
  const payload = unit.writer.view().slice(frameHeaderBytes);
  assertThrows(() => indexes.replay({ segment: 1, offset: 24 }, payload, { rows: true }));
  assertEquals(indexes.stats().rows.entries, 0);
  assert(indexes.heldSegments().size === 0);
});
