import { assertEquals, assertRejects } from "@std/assert";
import { createLog } from "../../src/base/log.ts";
import { dayOf, frameHeaderBytes, rowPlace, Unit } from "../../src/base/record.ts";
import { WeirError } from "../../src/base/errors.ts";
import { readRecords } from "../../src/index/replay.ts";
import type { Frame } from "../../src/journal/append.ts";
import { joinSession } from "../../src/sessions/live_sessions.ts";
import { Reaper } from "../../src/sessions/reaper.ts";
import type { SessionBook } from "../../src/sessions/session_book.ts";
import { tallyColumns } from "../../src/sessions/session_fold.ts";
import { bucketTimes, sessionBucket } from "../../src/sessions/session_id.ts";
import { readLine } from "../../src/sessions/session_rows.ts";
import { emptyBook } from "./empty_book.ts";

const minute = 60_000;
const noon = Date.UTC(2026, 5, 8, 12);

/** A book and its reaper at a time that the test owns, over a journal in memory. */
class Rig {
  now = noon;
  isJournalFull = false;
  readonly rows: Record<string, unknown>[] = [];
  readonly book: SessionBook;
  readonly reaper: Reaper;
  #offset = 0;

  constructor(maxOpen = 1_000) {
    const clock = { now: () => this.now, monotonic: () => this.now };
    this.book = emptyBook(clock);
    this.reaper = new Reaper({
      book: this.book,
      journal: { append: (frame) => this.#append(frame) },
      indexes: this.book,
      stored: () => {},
      maxOpen: () => maxOpen,
      clock,
      log: createLog({ clock, write: () => {} }),
    });
  }

  async post(deviceId: string, time: number, name = "e"): Promise<void> {
    const unit = new Unit();
    const session = joinSession(this.book, { project: "p", deviceId, time, arrivedAt: this.now });
    const columns = {
      ...{ kind: "event", project_id: "p", created_at: new Date(time).toISOString(), id: "x" },
      ...{ device_id: deviceId, session_id: session.id, name, profile_id: deviceId, properties: {} },
    };
    unit.writer.text(JSON.stringify(columns));
    unit.close(rowPlace("event", "p", dayOf(time)));
    tallyColumns(unit.tallyOf(session, this.now), 0, readLine(unit.writer.view(unit.starts[0])).columns);
    this.book.reserve(unit);
    await this.#append({
      bytes: unit.writer.view(),
      placed: (at) => this.book.place(unit, at),
      released: () => this.book.release(unit),
    });
  }

  /** Device and version of the sessions that ended by this time. */
  async endedAt(now: number): Promise<unknown[]> {
    this.now = now;
    const before = this.rows.length;
    await this.reaper.reap();
    return this.rows.slice(before).filter(({ kind }) => kind === "session")
      .map(({ device_id, version }) => `${device_id} ${version}`);
  }

  #append({ bytes, placed, released }: Frame): Promise<void> {
    if (this.isJournalFull) {
      const error = new WeirError("storage_full", "Full");
      released(error);
      return Promise.reject(error);
    }
    const payload = bytes.slice(frameHeaderBytes);
    for (const { columns } of readRecords(payload, "all")) this.rows.push(columns!);
    placed({ segment: 1, offset: this.#offset });
    this.#offset += payload.length;
    return Promise.resolve();
  }
}

Deno.test("Reaper ends a live session the timeout after its last event", async () => {
  const rig = new Rig();
  await rig.post("a", noon);
  rig.now = noon + 20 * minute;
  await rig.post("a", rig.now);
  assertEquals(await rig.endedAt(noon + 50 * minute), []);
  assertEquals(await rig.endedAt(noon + 50 * minute + 2_000), ["a 1"]);
  assertEquals(await rig.endedAt(noon + 500 * minute), []);
});

Deno.test("Reaper lets a device that sends late finish: nothing must have come for a while", async () => {
  const rig = new Rig();
  await rig.post("a", noon - 28 * minute);
  rig.now = noon + minute;
  await rig.post("a", noon - 27 * minute);
  assertEquals(await rig.endedAt(noon + 4 * minute), []);
  assertEquals(await rig.endedAt(noon + 6 * minute + 2_000), ["a 1"]);
});

Deno.test("Reaper ends a session of old events once nothing came for it, and again after more came", async () => {
  const rig = new Rig();
  const old = bucketTimes(sessionBucket(noon - 120 * minute, 30 * minute), 30 * minute).since;
  await rig.post("a", old);
  rig.now = noon + 4 * minute;
  await rig.post("a", old + minute);
  assertEquals(await rig.endedAt(noon + 8 * minute), []);
  assertEquals(await rig.endedAt(noon + 9 * minute + 2_000), ["a 1"]);
  await rig.post("a", old + 2 * minute);
  assertEquals(await rig.endedAt(noon + 15 * minute), ["a 2"]);
  const starts = rig.rows.filter(({ name }) => name === "session_start");
  assertEquals(starts.length, 1);
});

Deno.test("Reaper ends those first that would end first when too many are open", async () => {
  const rig = new Rig(2);
  for (const [i, device] of ["a", "b", "c", "d"].entries()) {
    rig.now = noon + i * minute;
    await rig.post(device, rig.now);
  }
  assertEquals((await rig.endedAt(rig.now)).sort(), ["a 1", "b 1"]);
  assertEquals(await rig.endedAt(rig.now + 1_000), []);
});

Deno.test("Reaper tries again what the journal did not take", async () => {
  const rig = new Rig();
  await rig.post("a", noon);
  rig.isJournalFull = true;
  await assertRejects(() => rig.endedAt(noon + 31 * minute), WeirError, "Full");
  rig.isJournalFull = false;
  await rig.post("b", rig.now);
  assertEquals(await rig.endedAt(noon + 31 * minute + 2_000), ["a 1"]);
});

Deno.test("Reaper forgets sessions for which nothing was stored", async () => {
  const rig = new Rig();
  joinSession(rig.book, { project: "p", deviceId: "a", time: noon, arrivedAt: noon });
  assertEquals(rig.book.count, 1);
  assertEquals(await rig.endedAt(noon + 16 * minute), []);
  assertEquals(rig.book.count, 0);
});
