import { assert, assertEquals, assertLess } from "@std/assert";
import { frameHeaderBytes, type TracePlace, type Unit } from "../../src/base/record.ts";
import { unpackRequests } from "../../src/index/packed_requests.ts";
import type { RequestPlan } from "../../src/index/plan.ts";
import type { DueOptions } from "../../src/index/trace_flight.ts";
import { TraceIndex } from "../../src/index/trace_index.ts";
import { MemoryCatalog } from "./memory_catalog.ts";
import { addBatch, addMeta, ridsOf, type TraceSpec, unitOf } from "./units.ts";

const everything: DueOptions = {
  mode: "all",
  idleSince: -1,
  minSegment: 0,
  maxRequests: 1e9,
  maxBytes: 1e12,
};
const due: DueOptions = { ...everything, mode: "due" };

/** A trace index with a clock and a journal that is only a position. */
class Bench {
  now = 0;
  segment = 1;
  #offset = 16;
  readonly catalog = new MemoryCatalog();
  readonly index = new TraceIndex({
    catalog: this.catalog,
    clock: { now: () => this.now, monotonic: () => this.now },
  });

  /** Reserves and places; false for a repeat. */
  batch(spec: TraceSpec & { content: number }): boolean {
    return this.#add(unitOf((unit) => addBatch(unit, spec)));
  }

  meta(spec: TraceSpec): void {
    this.#add(unitOf((unit) => addMeta(unit, spec)));
  }

  #add(unit: Unit): boolean {
    const place = unit.places[0] as TracePlace;
    const held = this.index.reserve(place);
    if (!held) return false;
    const length = unit.end(0) - frameHeaderBytes;
    this.index.place(held, place, { segment: this.segment, offset: this.#offset, length });
    this.#offset += length + frameHeaderBytes;
    return true;
  }

  /** Plans at the next segment; the rids that are due. */
  plan(options: DueOptions): string[] {
    const { requests } = this.index.plan(++this.segment, options);
    return [...unpackRequests(requests)].map(({ rid }) => rid);
  }

  indexes(rid: string, sid = "S"): number[] {
    const { batches } = this.index.get("a", sid, rid) as RequestPlan;
    return Array.from({ length: batches.length / 6 }, (_, i) => batches[i * 6]);
  }
}

Deno.test("TraceIndex takes the same index with the same bytes for a repeat, with others for a replacement", () => {
  const bench = new Bench();
  assertEquals(bench.batch({ rid: "r", index: 0, t: 1, content: 1 }), true);
  assertEquals(bench.batch({ rid: "r", index: 0, t: 2, content: 1 }), false);
  assertEquals(bench.batch({ rid: "r", index: 0, t: 3, content: 2 }), true);
  assertEquals(bench.batch({ rid: "r", index: 0, t: 4, content: 2 }), false);
  assertEquals(
    bench.batch({ rid: "r", index: 0, t: 5, content: 1 }),
    true,
    "what was replaced is not stored",
  );
  const request = bench.index.get("a", "S", "r")!;
  assertEquals([request.replaced, request.batches.length / 6, request.batches[4]], [2, 1, 7920]);
  assertEquals([request.firstT, request.lastT], [1, 5]);
});

Deno.test("TraceIndex gives a batch without an index the next one, unless its bytes are stored", () => {
  for (const many of [false, true]) {
    const bench = new Bench();
    const others = many ? 20 : 2;
    for (let i = 0; i < others; i++) bench.batch({ rid: "r", index: i, t: 1, content: i });
    assertEquals(bench.batch({ rid: "r", t: 2, content: others }), true);
    assertEquals(bench.batch({ rid: "r", t: 3, content: 1 }), false);
    assertEquals(bench.batch({ rid: "r", t: 3, content: others }), false);
    bench.batch({ rid: "r", index: 1, t: 4, content: 99 });
    assertEquals(bench.batch({ rid: "r", t: 5, content: 1 }), true, "batch 1 has other bytes by now");
    assertEquals(bench.batch({ rid: "r", t: 5, content: 99 }), false);
    assertEquals(bench.indexes("r"), Array.from({ length: others + 2 }, (_, i) => i));
    assertEquals(bench.index.get("a", "S", "r")!.batches.at(-1), 1);
  }
});

Deno.test("TraceIndex does not count on from an index that is out of all sequence", () => {
  const bench = new Bench();
  bench.batch({ rid: "r", index: 2 ** 60, t: 1, content: 1 });
  bench.batch({ rid: "r", t: 2, content: 2 });
  assertEquals(bench.indexes("r"), [0, 2 ** 60]);
});

Deno.test("TraceIndex asks the catalog once about a request that is not in memory", () => {
  const bench = new Bench();
  const through = { segment: 1, offset: 1 };
  bench.catalog.requests.set(JSON.stringify(["a", "S", "r"]), {
    batches: new Map([[0, 1], [1, 7920]]),
    through,
  });
  for (let i = 0; i < 5; i++) assertEquals(bench.batch({ rid: "r", index: 1, t: 1, content: 1 }), false);
  assertEquals(bench.catalog.requestLookups, 1);
  assertEquals(bench.index.get("a", "S", "r"), undefined);
  assertEquals(bench.batch({ rid: "r", t: 1, content: 0 }), false);
  assertEquals(bench.batch({ rid: "r", t: 2, content: 5 }), true);
  assertEquals(bench.indexes("r"), [2]);
  assertEquals(bench.batch({ rid: "r", index: 0, t: 3, content: 6 }), true);
  assertEquals(bench.index.get("a", "S", "r")!.replaced, 1);
  assertEquals(bench.catalog.requestLookups, 1);
});

Deno.test("TraceIndex rests with what it read for repeats no longer than to the next flush", () => {
  const bench = new Bench();
  for (let i = 0; i < 3000; i++) {
    bench.catalog.requests.set(JSON.stringify(["a", "S", `r${i}`]), {
      batches: new Map([[0, 7920]]),
      through: { segment: 1, offset: 1 },
    });
    assertEquals(bench.batch({ rid: `r${i}`, index: 0, t: 1, content: 1 }), false);
  }
  assertLess(bench.index.size().entries, 1002);
  assertEquals(bench.plan(everything), []);
  bench.index.committed();
  assertEquals(bench.index.size().entries, 0);
});

Deno.test("TraceIndex.plan() takes a request once all declared batches and its metadata are there", () => {
  const bench = new Bench();
  bench.meta({ rid: "no-meta-yet", t: 1 });
  bench.batch({ rid: "r", index: 1, t: 1, total: 2, content: 1 });
  assertEquals(bench.plan(due), []);
  bench.index.committed();
  bench.batch({ rid: "r", index: 0, t: 1, total: 2, content: 0 });
  assertEquals(bench.plan(due), []);
  bench.index.committed();
  bench.meta({ rid: "r", t: 1 });
  assertEquals(bench.plan(due), ["r"]);
  assertEquals(bench.plan(due), []);
});

Deno.test("TraceIndex.plan() counts flushed batches towards the total", () => {
  const bench = new Bench();
  bench.catalog.requests.set(JSON.stringify(["a", "S", "r"]), {
    batches: new Map([[0, 1]]),
    through: { segment: 1, offset: 1 },
  });
  bench.batch({ rid: "r", index: 1, t: 1, total: 3, content: 1 });
  assertEquals(bench.plan(due), []);
  bench.index.committed();
  bench.batch({ rid: "r", index: 2, t: 1, total: 3, content: 2 });
  assertEquals(bench.plan(due), ["r"]);
});

Deno.test("TraceIndex.plan() lets a request wait whose total is contradicted by an index", () => {
  const bench = new Bench();
  bench.meta({ rid: "r", t: 1 });
  bench.batch({ rid: "r", index: 0, t: 1, total: 1, content: 0 });
  bench.batch({ rid: "r", index: 5, t: 1, content: 5 });
  assertEquals(bench.plan(due), []);
});

Deno.test("TraceIndex.plan() takes idle requests, the longest idle first", () => {
  const bench = new Bench();
  for (const rid of ["r0", "r1", "r2", "r3"]) {
    bench.batch({ rid, index: 0, t: 1, content: 0 });
    bench.now += 10;
  }
  bench.batch({ rid: "r0", index: 1, t: 1, content: 1 });
  assertEquals(bench.plan({ ...due, idleSince: 20 }), ["r1", "r2"]);
});

Deno.test("TraceIndex.plan() takes the longest idle beyond the limits on requests and bytes", () => {
  const bench = new Bench();
  for (let i = 0; i < 10; i++) {
    bench.now++;
    bench.batch({ rid: `r${i}`, index: 0, t: 1, content: 0 });
  }
  assertEquals(bench.plan({ ...due, maxRequests: 7 }), ["r0", "r1", "r2"]);
  bench.index.committed();
  assertEquals(bench.plan({ ...due, maxBytes: bench.index.size().bytes }), []);
  bench.index.committed();
  const [first] = bench.plan({ ...due, maxBytes: bench.index.size().bytes - 1 });
  assertEquals(first, "r3");
});

Deno.test("TraceIndex.plan() takes requests that hold on to a segment before minSegment", () => {
  const bench = new Bench();
  bench.batch({ rid: "old", index: 0, t: 1, content: 0 });
  bench.segment = 5;
  bench.batch({ rid: "old", index: 1, t: 1, content: 1 });
  bench.batch({ rid: "young", index: 0, t: 1, content: 0 });
  assertEquals(bench.plan({ ...due, minSegment: 1 }), []);
  bench.index.committed();
  assertEquals(bench.plan({ ...due, minSegment: 5 }), ["old"]);
});

Deno.test("TraceIndex.failed() puts the oldest back before those that wait", () => {
  const bench = new Bench();
  for (const rid of ["r0", "r1", "r2", "r3"]) {
    bench.batch({ rid, index: 0, t: 1, content: 0 });
    bench.now += 10;
  }
  assertEquals(bench.plan({ ...due, idleSince: 15 }), ["r0", "r1"]);
  bench.index.failed();
  assertEquals(bench.plan({ ...due, idleSince: 15 }), ["r0", "r1"]);
  bench.index.failed();
  assertEquals(bench.plan(everything), ["r0", "r1", "r2", "r3"]);
});

Deno.test("TraceIndex.failed() lets no request that was taken out of turn hide older ones", () => {
  const bench = new Bench();
  bench.batch({ rid: "holds-1", index: 0, t: 1, content: 0 });
  bench.segment = 5;
  bench.batch({ rid: "old", index: 0, t: 1, content: 0 });
  bench.now = 50;
  bench.batch({ rid: "holds-1", index: 1, t: 1, content: 1 });
  assertEquals(bench.plan({ ...due, minSegment: 5 }), ["holds-1"]);
  bench.index.failed();
  assertEquals(bench.plan({ ...due, idleSince: 10 }), ["old"]);
});

Deno.test("TraceIndex.failed() knows again how far back a request holds on", () => {
  const bench = new Bench();
  bench.batch({ rid: "r", index: 0, t: 1, content: 0 });
  bench.segment = 5;
  bench.plan(everything);
  bench.batch({ rid: "r", index: 1, t: 1, content: 1 });
  bench.index.failed();
  assertEquals(bench.plan({ ...due, minSegment: 5 }), ["r"]);
});

Deno.test("TraceIndex forgets replaced batches with the flush that came after them", () => {
  const bench = new Bench();
  bench.batch({ rid: "r", index: 0, t: 1, content: 0 });
  const before = bench.index.size().bytes;
  for (let content = 1; content < 100; content++) bench.batch({ rid: "r", index: 0, t: 1, content });
  bench.plan(everything);
  bench.batch({ rid: "r", index: 1, t: 1, content: 1 });
  bench.index.committed();
  assertLess(bench.index.size().bytes, before + 100);
  assertEquals(bench.batch({ rid: "r", index: 0, t: 1, content: 99 }), false);
});

Deno.test("TraceIndex adds batches to a large request, out of order, at the price of a small one", () => {
  const addAll = (batches: number): number => {
    const bench = new Bench();
    const began = performance.now();
    for (let index = batches - 1; index >= 0; index--) bench.batch({ rid: "r", index, t: 1, content: 0 });
    return performance.now() - began;
  };
  addAll(2_000);
  const few = Math.min(addAll(2_000), addAll(2_000), addAll(2_000));
  // 16 times as many: to look through all of them would take 256 times as long.
  assertLess(Math.min(addAll(32_000), addAll(32_000)), few * 80);
});

Deno.test("TraceIndex.plan() takes no more than one flush should, and says that there is more", () => {
  const bench = new Bench();
  for (let i = 0; i < 25_000; i++) bench.batch({ rid: `r${i}`, index: 0, t: 1, content: 0 });
  const sizes: number[] = [];
  for (let more = true; more;) {
    const plan = bench.index.plan(2, everything);
    sizes.push(plan.requests.names.length / 3);
    more = plan.more;
    bench.index.committed();
  }
  assertEquals(sizes, [10_000, 10_000, 5_000]);
  assertEquals(bench.index.size().entries, 0);
});

Deno.test("TraceIndex writes what comes during a flush with a later one, and forgets after the commit", () => {
  const bench = new Bench();
  bench.meta({ rid: "r", t: 1 });
  bench.batch({ rid: "r", index: 0, t: 1, total: 2, content: 0 });
  assertEquals(bench.plan(everything), ["r"]);
  assertEquals(bench.batch({ rid: "r", index: 0, t: 2, content: 0 }), false, "in flush is stored");
  bench.batch({ rid: "r", index: 1, t: 3, content: 1 });
  const both = bench.index.get("a", "S", "r")!;
  assertEquals([bench.indexes("r"), both.total, both.firstT, both.lastT], [[0, 1], 2, 1, 3]);
  bench.index.committed();
  const later = bench.index.get("a", "S", "r")!;
  assertEquals([bench.indexes("r"), later.total, later.firstT, later.lastT], [[1], -1, 3, 3]);
  assertEquals(bench.plan(everything), ["r"]);
  bench.index.committed();
  assertEquals(bench.index.get("a", "S", "r"), undefined);
  assertEquals(bench.index.size().entries, 0);
  const segments = new Set<number>();
  bench.index.addSegments(segments);
  assertEquals(segments.size, 0);
});

Deno.test("TraceIndex keeps apart apps, sessions and requests whose names run together", () => {
  const bench = new Bench();
  const names = [["ab", "c", "d"], ["a", "bc", "d"], ["a", "b", "cd"], ["a", "b", "c"]];
  for (const [app, sid, rid] of names) bench.batch({ app, sid, rid, index: 0, t: 1, content: 0 });
  for (const [app, sid, rid] of names) assertEquals(ridsOf(bench.index, app, sid).includes(rid), true);
  assertEquals(ridsOf(bench.index, "a", "b"), ["cd", "c"]);
  assertEquals(ridsOf(bench.index, "a", "nobody"), []);
  assertEquals(bench.index.size().entries, 4);
});

Deno.test("TraceIndex.release() frees the number that an assumed batch had been given", () => {
  const bench = new Bench();
  bench.batch({ rid: "r", t: 1, content: 0 });
  const unit = unitOf((unit) => addBatch(unit, { rid: "r", t: 2, content: 1 }));
  const held = bench.index.reserve(unit.places[0] as TracePlace)!;
  assertEquals((unit.places[0] as TracePlace).index, 1);
  bench.index.release([held]);
  bench.batch({ rid: "r", t: 3, content: 2 });
  assertEquals(bench.indexes("r"), [0, 1]);
});

Deno.test("TraceIndex costs less than 200 bytes for an open batch, however large its payload", () => {
  const bench = new Bench();
  const requests = 1_000;
  const batches = 50_000;
  for (let i = 0; i < batches; i++) {
    const place: TracePlace = {
      ...(unitOf((unit) => addBatch(unit, { rid: `1710000000200-${i % requests}`, t: 1, content: 0 }))
        .places[0] as TracePlace),
      index: Math.floor(i / requests),
      eventsLength: 8_000_000,
    };
    const held = bench.index.reserve(place);
    assert(held);
    bench.index.place(held, place, { segment: i >> 3, offset: 16, length: 8_000_200 });
  }
  assertLess(bench.index.size().bytes / batches, 100);
});
