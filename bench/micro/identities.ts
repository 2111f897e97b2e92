/**
 * What looking up identities adds to a unit of 2000 rows: reserved, placed, with and without insert ids.
 *
 *     deno run --allow-sys bench/micro/identities.ts
 *
 * The filter is complete and holds 5 million older identities, as after some days; a flush takes place every 100
 * units. Figures are medians over the units.
 * @module
 */

import { createMetrics } from "../../src/base/metrics.ts";
import { type Identity, identityKey, rowPlace, Unit } from "../../src/base/record.ts";
import type { CatalogReader } from "../../src/index/catalog_reader.ts";
import { Indexes } from "../../src/index/indexes.ts";

const rows = 2_000;
const units = 300;
const older = 5_000_000;

const catalog: CatalogReader = {
  identity: () => undefined,
  *identityKeys(): Generator<string> {
    for (let i = 0; i < older; i++) yield identityKey("project", "default", `older-${i}`);
  },
  reply: () => undefined,
  flushedBatches: () => undefined,
  flushedThrough: () => undefined,
  entity: () => undefined,
  isReplayed: () => false,
};

const metrics = createMetrics();
const indexes = new Indexes({
  catalog,
  clock: { now: () => 0, monotonic: () => performance.now() },
  metrics,
  idleMs: 1e12,
  maxRequests: 1e9,
  maxIndexBytes: 1e12,
  idempotencyKeepMs: 0,
});

/** A unit whose rows have identities from number `first` on, or none. */
function unitOf(first: number | undefined): Unit {
  const unit = new Unit(rows * 110);
  const place = rowPlace("event", "default", "2026-11-20");
  const memo = { deviceId: "device", sessionId: "session" };
  for (let row = 0; row < rows; row++) {
    const identity: Identity | undefined = first === undefined
      ? undefined
      : { key: identityKey("project", "default", `0198-ae3f-${first + row}-77c1-9b2d`), row, memo };
    unit.writer.ascii("x".repeat(99));
    unit.close(place, identity);
  }
  return unit;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

/** Milliseconds for each unit. */
function measure(identityOfUnit: (i: number) => number | undefined): number[] {
  const times: number[] = [];
  for (let i = 0; i < units; i++) {
    const unit = unitOf(identityOfUnit(i));
    const began = performance.now();
    indexes.reserve(unit);
    if (unit.count > 0) indexes.place(unit, { segment: ++segment, offset: 16 });
    times.push(performance.now() - began);
    if (i % 100 === 99) indexes.committed(indexes.plan(segment + 1, "all"));
  }
  return times;
}

let segment = 0;
const warming = performance.now();
while (!indexes.warmUp(2_000));
print(
  `${older} identities read into the filter in ${((performance.now() - warming) / 1000).toFixed(1)} s`,
);
for (let turn = 0; turn < 2; turn++) {
  const none = measure(() => undefined);
  const fresh = measure((i) => (turn * units + i) * rows);
  const repeated = measure((i) => (turn * units + units - 100 + i % 100) * rows);
  print(
    `a unit of ${rows} rows: ${median(none).toFixed(3)} ms without identities, ${
      median(fresh).toFixed(3)
    } ms with new ` +
      `ones (worst ${Math.max(...fresh).toFixed(1)}), ${median(repeated).toFixed(3)} ms when all are repeats`,
  );
}
