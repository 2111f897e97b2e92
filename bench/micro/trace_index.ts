/**
 * What adding a trace batch costs with 1,000 and with 1,000,000 open requests, and what an open batch costs in memory.
 *
 *     deno run --allow-sys --v8-flags=--expose-gc bench/micro/trace_index.ts [many | single | alone]
 *
 * Without an argument it measures time, with one the memory of that shape: a process for each, as what one leaves
 * behind would hide what the next one takes. `many`: 100 batches a request; `single`: one batch a request, 10
 * requests a session; `alone`: one batch, one request a session.
 *
 * Time: in rounds that alternate between two indexes, units of one batch are made, reserved and placed; the figures
 * are medians of the rounds. `random`: a further batch for any open request; `recent`: for one of the last thousand
 * that came; `new`: the first batch of a new request.
 * @module
 */

import { createMetrics } from "../../src/base/metrics.ts";
import { type TracePlace, Unit } from "../../src/base/record.ts";
import type { CatalogReader } from "../../src/index/catalog_reader.ts";
import { Indexes } from "../../src/index/indexes.ts";

const rounds = 15;
const addsPerRound = 2_000;
const recentRequests = 1_000;

const emptyCatalog: CatalogReader = {
  identity: () => undefined,
  identitySecret: () => new Uint8Array(16),
  identityDigests: () => [],
  reply: () => undefined,
  flushedBatches: () => undefined,
  flushedThrough: () => undefined,
  entity: () => undefined,
  isReplayed: () => false,
};

interface Arm {
  readonly indexes: Indexes;
  readonly perSession: number;
  requests: number;
  batches: number;
  offset: number;
}

function newArm(perSession: number): Arm {
  const indexes = new Indexes({
    catalog: emptyCatalog,
    clock: { now: () => 0, monotonic: () => performance.now() },
    metrics: createMetrics(),
    idleMs: 1e12,
    maxRequests: 1e9,
    maxIndexBytes: 1e12,
    idempotencyKeepMs: 0,
    filterBytes: 32,
  });
  return { indexes, perSession, requests: 0, batches: 0, offset: 0 };
}

/** A batch for request number `request`, with names that are texts of their own, as if they were just parsed. */
function unitFor(arm: Arm, request: number): Unit {
  const unit = new Unit(256);
  const place: TracePlace = {
    family: "traces",
    kind: "batch",
    app: "app",
    sid: `S_${String(Math.floor(request / arm.perSession)).padStart(12, "0")}-f3a9`,
    rid: `17100000${String(request).padStart(7, "0")}-k3x9`,
    index: arm.batches++,
    indexOffset: 0,
    t: 1_710_000_000_000 + request,
    total: -1,
    hash: 1 + request,
    assumed: false,
    eventsOffset: 100,
    eventsLength: 90,
  };
  unit.writer.ascii("x".repeat(191));
  unit.close(place);
  return unit;
}

function add(arm: Arm, unit: Unit): void {
  arm.indexes.reserve(unit);
  arm.indexes.place(unit, { segment: 1 + Math.floor(arm.offset / 67_108_864), offset: arm.offset });
  arm.offset += 200;
}

function open(arm: Arm, requests: number): void {
  while (arm.requests < requests) add(arm, unitFor(arm, arm.requests++));
}

const choices: Record<string, (arm: Arm) => number> = {
  random: (arm) => Math.floor(Math.random() * arm.requests),
  recent: (arm) => arm.requests - 1 - Math.floor(Math.random() * Math.min(arm.requests, recentRequests)),
  new: (arm) => arm.requests++,
};

/** Nanoseconds for one batch. */
function round(arm: Arm, choose: (arm: Arm) => number): number {
  const began = performance.now();
  for (let i = 0; i < addsPerRound; i++) add(arm, unitFor(arm, choose(arm)));
  return (performance.now() - began) * 1e6 / addsPerRound;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

/** Bytes of the heap and of array buffers, after a collection. */
function memory(): number {
  (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

function compareTimes(): void {
  const few = newArm(1);
  const many = newArm(1);
  open(few, 1_000);
  open(many, 1_000_000);
  for (const [name, choose] of Object.entries(choices)) {
    const times: [number[], number[]] = [[], []];
    for (let i = 0; i < rounds; i++) {
      const fewTime = round(few, choose);
      const manyTime = round(many, choose);
      if (i < 3) continue;
      times[0].push(fewTime);
      times[1].push(manyTime);
    }
    const [a, b] = times.map(median);
    print(
      `${name}: ${a.toFixed(0)} ns with 1,000 open, ${b.toFixed(0)} ns with 1,000,000: ratio ${
        (b / a).toFixed(2)
      }`,
    );
  }
}

function measureMemory(shape: { requests: number; batches: number; perSession: number }): void {
  const before = memory();
  const arm = newArm(shape.perSession);
  open(arm, shape.requests);
  for (let i = shape.requests; i < shape.batches; i++) add(arm, unitFor(arm, i % shape.requests));
  const perBatch = (memory() - before) / shape.batches;
  const estimate = arm.indexes.stats().requests.bytes / shape.batches;
  print(
    `${shape.batches} batches of ${shape.requests} requests, ${shape.perSession} a session: ` +
      `${perBatch.toFixed(0)} bytes a batch (estimated ${estimate.toFixed(0)})`,
  );
}

/** The longest single step while a million requests come and go: nothing may take long in one go. */
function longestSteps(): void {
  const arm = newArm(4);
  const adds: number[] = [];
  for (let i = 0; i < 1_000_000; i++) {
    const unit = unitFor(arm, arm.requests++);
    const began = performance.now();
    add(arm, unit);
    adds.push(performance.now() - began);
  }
  const plans: number[] = [];
  const commits: number[] = [];
  for (let more = true; more;) {
    const began = performance.now();
    const plan = arm.indexes.plan(1_000, "all");
    plans.push(performance.now() - began);
    const planned = performance.now();
    arm.indexes.committed(plan);
    commits.push(performance.now() - planned);
    more = plan.more;
  }
  const longest = adds.sort((a, b) => b - a).slice(0, 3).map((ms) => ms.toFixed(1)).join(", ");
  print(
    `longest of 1,000,000 adds: ${longest} ms; ${plans.length} flushes: ` +
      `plan ${median(plans).toFixed(1)} ms (worst ${Math.max(...plans).toFixed(1)}), ` +
      `commit ${median(commits).toFixed(1)} ms (worst ${Math.max(...commits).toFixed(1)})`,
  );
}

const memoryShapes: Record<string, { requests: number; batches: number; perSession: number }> = {
  many: { requests: 10_000, batches: 1_000_000, perSession: 10 },
  single: { requests: 1_000_000, batches: 1_000_000, perSession: 10 },
  alone: { requests: 1_000_000, batches: 1_000_000, perSession: 1 },
};

const what = Deno.args[0] ?? "";
if (what in memoryShapes) measureMemory(memoryShapes[what]);
else {
  compareTimes();
  longestSteps();
}
