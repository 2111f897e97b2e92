/**
 * Which units must be stored behind others that are on their way, because of the sessions of their events.
 */

import { assertEquals } from "@std/assert";
import { createMetrics } from "../../src/base/metrics.ts";
import { dayOf, rowPlace, Unit } from "../../src/base/record.ts";
import { Indexes } from "../../src/index/indexes.ts";
import { joinSession } from "../../src/sessions/live_sessions.ts";
import type { Session } from "../../src/sessions/session.ts";
import { tallyColumns } from "../../src/sessions/session_fold.ts";
import { readLine } from "../../src/sessions/session_rows.ts";
import { SessionBook } from "../../src/sessions/session_book.ts";
import { MemoryCatalog } from "../index/memory_catalog.ts";
import { defaultSettings, noCatalog } from "./empty_book.ts";

const start = Date.UTC(2026, 5, 8, 12);
const clock = { now: () => start, monotonic: () => 0 };

/** An event of a device, of a profile where one is named. */
type Sent = readonly [device: string, profile?: string];

/** Sessions behind their indexes, over nothing that was ever flushed. */
class House {
  readonly book: SessionBook;
  readonly indexes: Indexes;
  #places = 0;
  #events = 0;

  constructor() {
    const metrics = createMetrics();
    this.book = new SessionBook({ catalog: noCatalog, clock, metrics, settings: () => defaultSettings });
    const limits = { idleMs: 1000, maxRequests: 100, maxIndexBytes: 1e9, idempotencyKeepMs: 1000 };
    this.indexes = new Indexes({
      ...limits,
      ...{ catalog: new MemoryCatalog(), clock, metrics, sessions: this.book },
    });
  }

  /** Reserves a unit of these events; tells whether it must be stored behind the ones before it. */
  reserve(...events: Sent[]): { unit: Unit; follows: boolean } {
    const unit = new Unit();
    for (const event of events) this.#write(event, unit);
    const reserved = this.indexes.reserve(unit);
    return { unit, follows: this.indexes.follows(unit, reserved) };
  }

  /** Reserves and takes back, as of a unit that the journal refuses. */
  wouldFollow(...events: Sent[]): boolean {
    const { unit, follows } = this.reserve(...events);
    this.indexes.release(unit);
    return follows;
  }

  place(unit: Unit): void {
    this.indexes.place(unit, { segment: 1, offset: ++this.#places * 1000 });
  }

  sessionOf(deviceId: string): Session {
    return joinSession(this.book, { project: "p", deviceId, time: start, arrivedAt: start });
  }

  #write([deviceId, profile]: Sent, unit: Unit): void {
    const session = this.sessionOf(deviceId);
    const columns = {
      ...{ kind: "event", project_id: "p", created_at: new Date(start).toISOString() },
      ...{ id: `e${this.#events++}`, device_id: deviceId, session_id: session.id, name: "e" },
      profile_id: profile ?? deviceId,
    };
    const record = unit.count;
    unit.writer.text(JSON.stringify(columns));
    unit.close(rowPlace("event", "p", dayOf(start)));
    const line = unit.writer.view(unit.starts[record], unit.end(record) - 1);
    tallyColumns(unit.tallyOf(session, start), record, readLine(line).columns);
  }
}

Deno.test("follows() says yes of events whose session_start is on its way in another unit, until that is settled", () => {
  const house = new House();
  const first = house.reserve(["a"], ["a"]);
  const second = house.reserve(["a"]);
  assertEquals([first.follows, second.follows], [false, true]);
  assertEquals(house.wouldFollow(["b"]), false);
  assertEquals(house.wouldFollow(["b"], ["a"]), true);
  house.place(first.unit);
  // The second one is still on its way: nobody depends on it.
  assertEquals(house.wouldFollow(["a"]), false);
});

Deno.test("follows() says no of the unit that starts a session anew after the one that did was refused", () => {
  const house = new House();
  const refused = house.reserve(["a", "u1"]);
  house.indexes.release(refused.unit);
  const anew = house.reserve(["a", "u1"]);
  assertEquals([anew.follows, house.wouldFollow(["a"])], [false, true]);
});

Deno.test("follows() says yes of events of a session that another unit names the profile of, until that is settled", () => {
  const house = new House();
  house.place(house.reserve(["a"]).unit);
  const naming = house.reserve(["a", "u1"]);
  assertEquals([naming.follows, house.wouldFollow(["a", "u1"]), house.wouldFollow(["a"])], [
    false,
    true,
    true,
  ]);
  house.place(naming.unit);
  assertEquals(house.wouldFollow(["a", "u1"]), false);
});

Deno.test("follows() says yes of events of a session whose end is on its way, until that is settled", () => {
  for (const settle of ["place", "release"] as const) {
    const house = new House();
    house.place(house.reserve(["a"]).unit);
    const session = house.sessionOf("a");
    const end = new Unit();
    house.book.reserveEndings(end, [{ session, version: 1, startT: session.startT }]);
    // Old events come to it by its bucket, also while it ends.
    assertEquals(house.wouldFollow(["a"]), true);
    if (settle === "place") house.place(end);
    else house.indexes.release(end);
    assertEquals(house.wouldFollow(["a"]), false);
  }
});
