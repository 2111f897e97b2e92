import { assertLess } from "@std/assert";
import { TraceIndex } from "../../src/index/trace_index.ts";
import { MemoryCatalog } from "./memory_catalog.ts";
import { addBatch, unitOf } from "./units.ts";

const clock = { now: () => 0, monotonic: () => 0 };

Deno.test("TraceIndex holds fewer than 200 bytes for an open batch, whatever the batch holds", () => {
  const requests = 500, batches = 100;
  const index = new TraceIndex({ catalog: new MemoryCatalog(), clock });
  for (let i = 0; i < requests * batches; i++) {
    const spec = { rid: `1763600000000-${i % requests}`, index: Math.floor(i / requests), t: i, content: i };
    const unit = unitOf((unit) => addBatch(unit, spec));
    const place = unit.places[0];
    if (place.family !== "traces") throw new Error("a batch is a trace");
    index.place(index.reserve(place)!, place, { segment: 1, offset: i * 100, length: 20 * 1024 * 1024 });
  }
  // Rows in use and tables; bench/micro/trace_index.ts measures the process.
  assertLess(index.size().bytes / (requests * batches), 200);
});
