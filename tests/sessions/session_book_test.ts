/**
 * The state of sessions as a fold: however its events come in units, fail, are flushed or read back, it is what a
 * plain count over the stored rows says.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { createMetrics } from "../../src/base/metrics.ts";
import { dayOf, frameHeaderBytes, identityKey, rowPlace, Unit } from "../../src/base/record.ts";
import type { SessionSnapshot } from "../../src/index/plan.ts";
import { readRecords } from "../../src/index/replay.ts";
import type { SessionReader } from "../../src/index/session_keeper.ts";
import type { JournalPosition } from "../../src/journal/segment.ts";
import { joinSession } from "../../src/sessions/live_sessions.ts";
import { tallyColumns } from "../../src/sessions/session_fold.ts";
import { readLine } from "../../src/sessions/session_rows.ts";
import { SessionBook } from "../../src/sessions/session_book.ts";

const timeoutMs = 1_000;
const settings = { timeoutMs, backlogCloseMs: 500 };
const start = Date.UTC(2026, 5, 8, 12);

interface Sent {
  readonly device: number;
  /** Before its arrival, in ms. */
  readonly age: number;
  readonly isView: boolean;
  readonly profile: number;
  readonly revenue: number;
}

/** A catalog and a journal that outlive the book. */
class House implements SessionReader {
  now = start;
  readonly frames: { at: JournalPosition; payload: Uint8Array }[] = [];
  readonly snapshots = new Map<string, SessionSnapshot>();
  book: SessionBook;
  #segment = 1;
  #offset = 0;
  #serial = 0;
  #checkpoint = 0;

  constructor() {
    this.book = this.#open();
  }

  session(id: string): SessionSnapshot | undefined {
    return this.snapshots.get(id);
  }

  openSessions(): Iterable<SessionSnapshot> {
    return [...this.snapshots.values()].filter(({ isOpen }) => isOpen);
  }

  /** Writes a unit of events; `drop` takes out some of its records, as repeats are. */
  post(events: readonly Sent[], what: { fails: boolean; drop: ReadonlySet<number> }): void {
    const unit = new Unit();
    for (const sent of events) this.#write(sent, unit);
    if (what.drop.size > 0) unit.drop((i) => what.drop.has(i));
    this.book.reserve(unit);
    if (what.fails) this.book.release(unit);
    else this.#store(unit);
  }

  flush(commits: boolean): void {
    const planned = this.book.plan().map((session) => session.snapshot());
    this.#segment++;
    this.#offset = 0;
    if (!commits) return this.book.failed();
    for (const snapshot of planned) this.snapshots.set(snapshot.id, snapshot);
    this.#checkpoint = this.#segment;
    this.book.committed();
  }

  /** Kill and start: only catalog and journal are left. */
  restart(): void {
    this.book = this.#open();
    for (const { at, payload } of this.frames) {
      if (at.segment < this.#checkpoint) continue;
      for (const { kind, columns } of readRecords(payload, "all")) {
        this.book.replay({ kind, columns: columns!, at });
      }
    }
  }

  /** Rows of the journal, by session. */
  stored(isMeant: (row: Record<string, unknown>) => boolean): Map<string, Record<string, unknown>[]> {
    const found = new Map<string, Record<string, unknown>[]>();
    for (const { payload } of this.frames) {
      for (const { columns } of readRecords(payload, "all")) {
        if (!isMeant(columns!)) continue;
        const id = columns!.session_id as string;
        found.set(id, [...found.get(id) ?? [], columns!]);
      }
    }
    return found;
  }

  #store(unit: Unit): void {
    if (unit.count === 0) return;
    const at = { segment: this.#segment, offset: this.#offset };
    const payload = unit.writer.view(frameHeaderBytes).slice();
    this.#offset += payload.length;
    this.frames.push({ at, payload });
    this.book.place(unit, at);
  }

  #write(sent: Sent, unit: Unit): void {
    const time = this.now - sent.age;
    const deviceId = `d${sent.device}`;
    const session = joinSession(this.book, { project: "p", deviceId, time, arrivedAt: this.now });
    const id = `${this.now.toString(16).padStart(12, "0").replace(/^(.{8})/, "$1-")}-7000-8000-${
      String(this.#serial++).padStart(12, "0")
    }`;
    const columns = {
      ...{ kind: "event", project_id: "p", created_at: new Date(time).toISOString(), id },
      ...{
        insert_id: id,
        device_id: deviceId,
        session_id: session.id,
        name: sent.isView ? "screen_view" : "e",
      },
      profile_id: sent.profile === 0 ? deviceId : `u${sent.profile}`,
      ...(sent.isView ? { path: `/${this.#serial}`, origin: "https://a.example" } : {}),
      ...(sent.revenue > 0 ? { revenue: sent.revenue } : {}),
      ...{ os: "Linux", properties: { n: this.#serial } },
    };
    unit.writer.text(JSON.stringify(columns));
    const key = identityKey("project", "p", id);
    const record = unit.mark();
    unit.close(rowPlace("event", "p", dayOf(time)), { key, row: 0, memo: session.where });
    const line = unit.writer.view(unit.starts[record], unit.end(record) - 1);
    tallyColumns(unit.tallyOf(session, this.now), record, readLine(line).columns);
  }

  #open(): SessionBook {
    const clock = { now: () => this.now, monotonic: () => this.now };
    return new SessionBook({ catalog: this, clock, metrics: createMetrics(), settings: () => settings });
  }
}

const sent = fc.record({
  device: fc.integer({ min: 0, max: 3 }),
  age: fc.oneof(fc.integer({ min: -50, max: 1_500 }), fc.integer({ min: 0, max: 20_000 })),
  isView: fc.boolean(),
  profile: fc.integer({ min: 0, max: 2 }),
  revenue: fc.constantFrom(0, 0, 0, 5),
});
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("post" as const),
      events: fc.array(sent, { minLength: 1, maxLength: 8 }),
      fails: fc.constantFrom(false, false, false, true),
      drop: fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 2 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("flush" as const), commits: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 1_500 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
);

Deno.test("SessionBook counts what is stored, over failures, flushes and restarts", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const house = new House();
      for (const step of steps) {
        if (step.kind === "post") {
          house.post(step.events, { fails: step.fails, drop: new Set(step.drop) });
        } else if (step.kind === "flush") house.flush(step.commits);
        else if (step.kind === "wait") house.now += step.ms;
        else house.restart();
      }
      assertIsCounted(house);
      house.restart();
      assertIsCounted(house);
    }),
    { seed: 20_261_120, numRuns: 300 },
  );
});

/** Holds every session against a plain count over its rows. */
function assertIsCounted(house: House): void {
  const events = house.stored(({ kind, name }) => kind === "event" && name !== "session_start");
  const starts = house.stored(({ name }) => name === "session_start");
  const sightings = house.stored(({ op }) => op === "seen");
  for (const [id, rows] of events) {
    const session = house.book.find(id);
    assert(session !== undefined, `session ${id} is not known`);
    const times = rows.map(({ created_at }) => Date.parse(created_at as string));
    const views = rows.filter(({ name }) => name === "screen_view");
    const { fold } = session;
    assertEquals(
      {
        ...{
          events: fold.events,
          views: fold.views,
          revenue: fold.revenue,
          firstT: fold.firstT,
          lastT: fold.lastT,
        },
        starts: starts.get(id)?.length,
      },
      {
        ...{ events: rows.length - views.length, views: views.length },
        revenue: rows.reduce((sum, { revenue = 0 }) => sum + (revenue as number), 0),
        ...{ firstT: Math.min(...times), lastT: Math.max(...times), starts: 1 },
      },
    );
    const named = rows.map(({ profile_id }) => profile_id as string).filter((profile) =>
      profile.startsWith("u")
    );
    assertEquals(fold.profileId, named.at(-1) ?? "");
    assertEquals(sightings.get(id)?.length ?? 0, named.length > 0 ? 1 : 0);
    if (views.length === 0) continue;
    const at = (row: Record<string, unknown>): number => Date.parse(row.created_at as string);
    const entry = views.reduce((first, view) => at(view) < at(first) ? view : first);
    const exit = views.reduce((last, view) => at(view) >= at(last) ? view : last);
    assertEquals([fold.entry.path, fold.exit.path], [entry.path, exit.path]);
  }
}
