/**
 * What identities add to a unit of 2000 rows, from closing its records to placing them, with and without insert ids;
 * and the memory that they take.
 *
 *     deno run --allow-sys bench/micro/identities.ts
 *
 * The filter is complete and holds 5 million older identities, as after some days; a flush takes place every 100
 * units. Figures are medians over the units.
 * @module
 */

import { createMetrics } from "../../src/base/metrics.ts";
import { frameHeaderBytes, identityOwner, rowPlace, Unit } from "../../src/base/record.ts";
import type { CatalogReader } from "../../src/index/catalog_reader.ts";
import { Indexes } from "../../src/index/indexes.ts";

const rows = 2_000;
const units = 300;
const older = 5_000_000;

const catalog: CatalogReader = {
  identity: () => undefined,
  identitySecret: () => new Uint8Array(16),
  *identityDigests(): Generator<Int32Array> {
    for (let i = 0; i < older; i += 1_000) yield crypto.getRandomValues(new Int32Array(4_000));
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

const place = rowPlace("event", "default", "2026-11-20");
const owner = identityOwner("project", "default");
const memos = Array.from({ length: 25 }, (_, i) => ({ deviceId: `device-${i}`, sessionId: `session-${i}` }));
const before = '{"insert_id":"';
const after = '"' + "x".repeat(60);

/** A unit with all records written and none closed; insert ids are numbered from `first` on. */
function writtenUnit(first: number): { unit: Unit; rowBytes: number; idBytes: number } {
  const unit = new Unit(rows * 150);
  const idOf = (row: number): string => `0198ae3f-${String(first + row).padStart(10, "0")}-77c1-9b2d-c0ffee`;
  const idBytes = idOf(0).length;
  const rowBytes = before.length + idBytes + after.length;
  for (let row = 0; row < rows; row++) unit.writer.ascii(before + idOf(row) + after);
  return { unit, rowBytes, idBytes };
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

/** Milliseconds for each unit. Undefined stands for rows without insert ids. */
function measure(firstOfUnit: (i: number) => number | undefined): number[] {
  const times: number[] = [];
  for (let i = 0; i < units; i++) {
    const first = firstOfUnit(i);
    const { unit, rowBytes, idBytes } = writtenUnit(first ?? 0);
    const began = performance.now();
    for (let row = 0; row < rows; row++) {
      unit.closeAt(frameHeaderBytes + (row + 1) * rowBytes, place);
      if (first === undefined) continue;
      unit.identify({ owner, row, memo: memos[row % memos.length], at: before.length, length: idBytes });
    }
    indexes.reserve(unit);
    if (unit.count > 0) indexes.place(unit, { segment: ++segment, offset: 16 });
    times.push(performance.now() - began);
    if (i % 100 !== 99) continue;
    held = indexes.stats().identities;
    indexes.committed(indexes.plan(segment + 1, "all"));
  }
  return times;
}

let segment = 0;
let held = indexes.stats().identities;
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
print(`${held.entries} identities in memory take ${(held.bytes / held.entries).toFixed(1)} bytes each`);
