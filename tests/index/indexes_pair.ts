/**
 * The index and a plain list beside it, which must always say the same.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Identity, Unit } from "../../src/base/record.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { Indexes } from "../../src/index/indexes.ts";
import { unpackRequests } from "../../src/index/packed_requests.ts";
import type { FlushPlan, RequestPlan } from "../../src/index/plan.ts";
import { MemoryCatalog } from "./memory_catalog.ts";
import { MemoryJournal } from "./memory_journal.ts";
import { insertIds, projects, type RecordChoice, replyKeys, rids, sids, type Step } from "./model_steps.ts";
import { type NaiveRow, NaiveRows } from "./naive_rows.ts";
import { type NaiveCounts, type NaiveRecord, NaiveTraces } from "./naive_traces.ts";
import { addBatch, addMeta, addReply, addRow, day, identityOf, ridsOf, unitOf } from "./units.ts";

const idleMs = 1000;

interface PendingUnit {
  readonly unit: Unit;
  readonly rows: NaiveRow[];
  readonly traces: NaiveRecord[];
}

/** The index and the model side by side. */
export class Pair {
  now = 0;
  readonly journal = new MemoryJournal();
  readonly catalog = new MemoryCatalog();
  indexes = this.#open();
  readonly rows = new NaiveRows();
  readonly traces = new NaiveTraces();
  pending: PendingUnit[] = [];
  plan: FlushPlan | undefined;
  /** What the model says that must have been written, in any order. */
  readonly written: (string | number)[] = [];
  #count = 0;
  #failedAt = -Infinity;

  #open(): Indexes {
    return new Indexes({
      catalog: this.catalog,
      clock: { now: () => this.now, monotonic: () => this.now },
      metrics: createMetrics(),
      idleMs,
      maxRequests: 1000,
      maxIndexBytes: 1e9,
      idempotencyKeepMs: 1e9,
      filterBytes: 64,
    });
  }

  take(step: Step): void {
    if (step.step === "reserve") this.reserve(step.unit);
    else if (step.step === "place") this.place();
    else if (step.step === "refuse") this.refuse();
    else if (step.step === "plan") this.makePlan(step);
    else if (step.step === "commit") this.commit();
    else if (step.step === "fail") this.fail();
    else if (step.step === "wait") this.now += step.ms;
    else if (step.step === "warm") this.indexes.warmUp(step.keys);
    else this.crash();
  }

  reserve(choices: readonly RecordChoice[]): void {
    const identities: Identity[] = [];
    const pending: PendingUnit = { unit: unitOf(() => {}), rows: [], traces: [] };
    let duplicateBatches = 0;
    for (const choice of choices) duplicateBatches += this.#add(choice, pending, identities) ? 0 : 1;
    const reserved = this.indexes.reserve(pending.unit);
    assertEquals(reserved.duplicateBatches, duplicateBatches);
    assertEquals(reserved.identities, identities);
    assertEquals(pending.unit.count, pending.rows.length + pending.traces.length);
    if (pending.unit.count > 0) this.pending.push(pending);
  }

  /** False for a batch that the model takes for a repeat. */
  #add(choice: RecordChoice, pending: PendingUnit, identities: Identity[]): boolean {
    const { unit, rows, traces } = pending;
    const t = 1e12 + ++this.#count;
    if (choice.what === "reply") {
      addReply(unit, choice.key, t);
      rows.push(this.rows.reserve(choice.key, "reply"));
      return true;
    }
    if (choice.what === "row") {
      const { project, days, insertId, records } = choice;
      const identity = insertId === undefined ? undefined : identityOf(insertId, { project, row: t });
      const isRepeat = identity !== undefined && this.rows.knows(identity.key);
      const isWritten = records === 1 && t % 2 === 0;
      for (let i = 0; i < records; i++) {
        const id = `${t}-${i}`;
        const kind = i > 0 ? "bot" : "event";
        addRow(unit, { kind, project, id, at: day + days * 864e5, identity, isWritten });
        if (!isRepeat) rows.push(this.rows.reserve(id, "row", identity?.key));
      }
      if (identity && isRepeat) identities.push(isWritten ? { ...identity, first: identity.memo } : identity);
      return true;
    }
    const spec = { ...choice, t };
    if (choice.what === "batch") addBatch(unit, { ...spec, content: choice.content });
    else addMeta(unit, spec);
    const record = this.traces.reserve(spec);
    if (record) traces.push(record);
    return record !== undefined;
  }

  place(): void {
    const next = this.pending.shift();
    if (!next) return;
    const at = this.journal.append(next.unit);
    this.indexes.place(next.unit, at);
    for (const row of next.rows) this.rows.place(row, at.segment);
    for (const record of next.traces) this.traces.place(record, at.segment, this.now);
  }

  refuse(): void {
    for (const { unit, rows, traces } of this.pending.splice(0).reverse()) {
      this.indexes.release(unit);
      for (const row of rows) this.rows.release(row);
      for (const record of traces) this.traces.release(record);
    }
  }

  makePlan(step: { mode: "due" | "all"; early?: readonly RecordChoice[]; minSegmentsBack?: number }): void {
    if (this.plan) return;
    const checkpoint = this.#turnOver();
    if (step.early) {
      this.reserve(step.early);
      this.place();
    }
    const minSegment = step.minSegmentsBack === undefined ? 0 : checkpoint - step.minSegmentsBack;
    this.plan = this.indexes.plan(checkpoint, step.mode, { minSegment });
    assertEquals(this.plan.more, false);
    this.#comparePlan(this.plan, { mode: step.mode, minSegment });
  }

  /** A journal turns over once all that was enqueued before is stored; one with an empty segment need not. */
  #turnOver(): number {
    if (this.journal.isFresh) return this.journal.currentSegment;
    while (this.pending.length > 0) this.place();
    return this.journal.rotate();
  }

  #comparePlan(plan: FlushPlan, options: { mode: "due" | "all"; minSegment: number }): void {
    const taken = this.rows.take(plan.checkpoint);
    const ids = plan.rows.flatMap(({ extents }) => this.journal.lines(extents).map(({ id }) => id as string));
    assertEquals(ids.sort(), taken.filter(({ kind }) => kind === "row").map(({ id }) => id).sort());
    const keys = this.journal.lines(plan.replies).map(({ key }) => key as string);
    assertEquals(keys, taken.filter(({ kind }) => kind === "reply").map(({ id }) => id));
    const planned = new Map(
      [...unpackRequests(plan.requests)].map((each) => [`${each.sid}/${each.rid}`, each]),
    );
    assertEquals(planned.size * 3, plan.requests.names.length);
    for (const sid of sids) {
      for (const rid of rids) {
        const request = planned.get(`${sid}/${rid}`);
        const must = this.#isDue(sid, rid, { ...options, checkpoint: plan.checkpoint });
        if (must !== undefined) assertEquals(request !== undefined, must, `${sid}/${rid}`);
        if (!request) continue;
        const { records, counts } = this.traces.take(sid, rid);
        this.#compareRequest(request, records, counts);
        for (const record of records) this.#expectWritten(record, request);
      }
    }
  }

  #expectWritten(record: NaiveRecord, request: RequestPlan): void {
    if (record.kind === "request") return void this.written.push(record.t);
    const { app, sid, rid, batches } = request;
    for (let i = 0; i < batches.length; i += 6) {
      if (batches[i] !== record.index) continue;
      this.written.push(
        `${JSON.stringify([app, sid, rid])}#${record.index}@${batches[i + 1]}:${batches[i + 2]}`,
      );
    }
  }

  /** Undefined where the model leaves it to the index. */
  #isDue(
    sid: string,
    rid: string,
    options: { mode: "due" | "all"; checkpoint: number; minSegment: number },
  ): boolean | undefined {
    const all = this.traces.of(sid, rid);
    const here = all.filter(({ state }) => state === "placed");
    if (here.length === 0 || here.some(({ segment }) => segment >= options.checkpoint)) return false;
    if (options.mode === "all") return true;
    // A request that a failed flush had taken may count as active up to then.
    const isIdle = this.now - this.traces.activity(sid, rid) >= idleMs;
    if (isIdle) return this.now - this.#failedAt >= idleMs ? true : undefined;
    if (here.some(({ segment }) => segment < options.minSegment)) return true;
    const total = this.traces.read(sid, rid)!.counts.total;
    const batches = all.filter(({ kind, isSuperseded }) => kind === "batch" && !isSuperseded);
    const isWhole = (some: readonly NaiveRecord[]): boolean =>
      total >= 0 &&
      some.map(({ index }) => index).sort().join() === Array.from({ length: total }, (_, i) => i).join();
    const hasMeta = all.some(({ kind, state }) => kind === "request" && state !== "pending");
    const settled = batches.filter(({ state }) => state !== "pending");
    if (isWhole(settled) && settled.length === batches.length && hasMeta) return true;
    // Metadata may be in a part; and a batch on its way need not hold up what was complete before.
    const mayBeComplete = isWhole(batches) || isWhole(settled);
    return options.minSegment > 0 || mayBeComplete ? undefined : false;
  }

  commit(): void {
    if (!this.plan) return;
    this.catalog.commit(this.plan, this.journal);
    this.written.push(
      ...this.rows.rows.filter(({ kind, state }) => kind === "row" && state === "inFlush")
        .map(({ id }) => id),
    );
    this.indexes.committed(this.plan);
    this.rows.committed();
    this.traces.committed();
    const held = this.indexes.heldSegments();
    const { checkpoint } = this.plan;
    this.journal.drop((segment) => segment < checkpoint && !held.has(segment));
    this.plan = undefined;
    assertEquals([...this.catalog.written].sort(), [...this.written].sort());
  }

  fail(): void {
    if (!this.plan) return;
    this.indexes.failed(this.plan);
    this.#failedAt = this.now;
    this.#forgetWritten();
    this.rows.failed();
    this.traces.failed();
    this.plan = undefined;
  }

  /** What the plan would have written was expected too early. */
  #forgetWritten(): void {
    this.written.length = this.catalog.written.length;
  }

  crash(): void {
    this.#forgetWritten();
    this.plan = undefined;
    this.pending = [];
    this.rows.crashed();
    this.traces.crashed(this.now);
    this.indexes = this.#open();
    for (const { at, payload } of this.journal.frames()) {
      this.indexes.replay(at, payload, { rows: at.segment >= this.catalog.checkpoint });
    }
    this.journal.rotate();
  }

  compare(): void {
    const lines = [...this.indexes.rows.entries("")].flatMap(({ extents }) => this.journal.lines(extents));
    assertEquals(lines.map(({ id }) => id as string).sort(), this.rows.here("row").sort());
    for (const project of projects) {
      for (const insertId of insertIds) {
        const { key, memo } = identityOf(insertId, { project });
        assertEquals(this.indexes.known(key), this.rows.knows(key) ? memo : undefined);
      }
    }
    for (const key of replyKeys) {
      const isKnown = this.rows.rows.some((row) => row.id === key && row.state !== "pending");
      assertEquals(this.indexes.reply(key) !== undefined, isKnown);
    }
    for (const sid of sids) this.#compareSession(sid);
    const segments = this.journal.segments;
    for (const held of this.indexes.heldSegments()) {
      assert(segments.includes(held), `segment ${held} is gone`);
    }
  }

  #compareSession(sid: string): void {
    const here = rids.filter((rid) => this.traces.read(sid, rid) !== undefined);
    assertEquals(ridsOf(this.indexes.traces, "a", sid).sort(), here);
    for (const rid of rids) {
      const found = this.indexes.traces.get("a", sid, rid);
      const expected = this.traces.read(sid, rid);
      assertEquals(found !== undefined, expected !== undefined);
      if (found && expected) this.#compareRequest(found, expected.records, expected.counts);
    }
  }

  #compareRequest(request: RequestPlan, records: readonly NaiveRecord[], counts: NaiveCounts): void {
    const { total, replaced, firstT, lastT, batches, metas } = request;
    assertEquals({ total, replaced, firstT, lastT }, counts);
    const expected = records.filter(({ kind }) => kind === "batch").sort((a, b) => a.index - b.index);
    const found = [];
    for (let i = 0; i < batches.length; i += 6) {
      const [index, segment, offset, length, hash, assumed] = batches.subarray(i, i + 6);
      const [{ content }] = JSON.parse(this.journal.read(segment, offset, length)) as { content: number }[];
      assertEquals(hash, content * 7919 + 1);
      found.push({ index, content, assumed: assumed === 1, segment });
    }
    assertEquals(
      found,
      expected.map(({ index, content, assumed, segment }) => ({ index, content, assumed, segment })),
    );
    const times = [];
    for (let i = 0; i < metas.length; i += 3) {
      const line = this.journal.read(metas[i], metas[i + 1], metas[i + 2]);
      times.push((JSON.parse(line) as { t: number }).t);
    }
    assertEquals(times, records.filter(({ kind }) => kind === "request").map(({ t }) => t));
  }
}
