/**
 * Sessions from outside: the cases of contract `track`, section 6, that speak of them, and what becomes of sessions
 * when the daemon is killed. Each case runs in every room that claims may be in.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { readAllRows } from "../support/parts.ts";
import { rooms } from "./session_rooms.ts";
import {
  bucketMs,
  chrome,
  event,
  flush,
  postBatch,
  postOne,
  quietTime,
  sessionOf,
  storedEvents,
} from "./track_requests.ts";

type Row = Record<string, unknown>;

const minute = 60_000;
const hour = 60 * minute;
const iso = (time: number): string => new Date(time).toISOString();
const at = (time: number, more: Row = {}): Row => event("e", { __timestamp: iso(time), ...more });

/** Everything there is of sessions, after a flush. */
async function stored(
  daemon: Daemon,
): Promise<{ starts: Row[]; ends: Row[]; sessions: Row[]; events: Row[] }> {
  await flush(daemon);
  const all = await readAllRows(daemon.dataDir, "events");
  return {
    starts: all.filter(({ name }) => name === "session_start"),
    ends: all.filter(({ name }) => name === "session_end"),
    events: all.filter(({ name }) => name !== "session_start" && name !== "session_end"),
    sessions: await readAllRows(daemon.dataDir, "sessions"),
  };
}

/** Waits until so many session rows are stored. */
async function untilEnded(daemon: Daemon, count: number): ReturnType<typeof stored> {
  for (const deadline = performance.now() + 20_000;;) {
    const found = await stored(daemon);
    if (found.sessions.length >= count) return found;
    assert(performance.now() < deadline, `${found.sessions.length} sessions ended, of ${count}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const ids = (rows: Row[]): unknown[] => [...new Set(rows.map(({ session_id }) => session_id))];
const times = (rows: Row[]): number[] => rows.map(({ created_at }) => Date.parse(created_at as string));
/** Live sessions end soon. */
const quick = { sessions: { timeout_ms: 1_500 } };
/** Sessions of old events end soon. */
const closing = { sessions: { backlog_close_ms: 1_000 } };

for (const { name: room, open } of rooms) {
  const test = (name: string, config: Row, run: (daemon: Daemon) => Promise<void>): void =>
    Deno.test(`${name} (claims in ${room})`, async () => {
      await using house = await open();
      await using daemon = await startDaemon({ config: { ...config, ...house.config } });
      await run(daemon);
    });

  test("P1: 168 events of one device, an hour apart", {}, async (daemon) => {
    const now = Date.now();
    const sent = Array.from({ length: 168 }, (_, i) => at(now - (i + 1) * hour));
    const { accepted, rejected } = await postBatch(daemon, sent);
    assertEquals([accepted, rejected.length], [119, 49]);
    assertEquals(rejected.map(({ index }) => index), Array.from({ length: 49 }, (_, i) => 119 + i));
    const { starts, events } = await stored(daemon);
    assertEquals([ids(events).length, starts.length, ids(starts).length], [119, 119, 119]);
    for (const start of starts) {
      const [first] = events.filter(({ session_id }) => session_id === start.session_id);
      assertEquals(times([start])[0], times([first])[0] - 100);
      assertEquals(start.device_id, "device");
    }
  });

  test("P2: two events on both sides of a bucket's edge", {}, async (daemon) => {
    const edge = quietTime(3) + bucketMs / 2 + 5_000;
    await postBatch(daemon, [at(edge - 15_000), at(edge + 15_000)]);
    const { starts, events } = await stored(daemon);
    assertEquals([ids(events).length, starts.length, ids(starts).length], [2, 2, 2]);
  });

  test("P3: three devices behind one address", {}, async (daemon) => {
    const time = quietTime(2);
    const devices = ["a", "b", "c"];
    await postBatch(
      daemon,
      devices.flatMap((__deviceId) => [at(time, { __deviceId }), at(time + 9, { __deviceId })]),
    );
    const { starts, events } = await stored(daemon);
    assertEquals(new Set(ids(events)), new Set(devices.map((device) => sessionOf(device, time))));
    for (const { device_id, session_id } of [...starts, ...events]) {
      assertEquals(session_id, sessionOf(device_id as string, time));
    }
    assertEquals(starts.length, 3);
  });

  test("P4: a device that is identified on the way", closing, async (daemon) => {
    const time = quietTime(2);
    const named = (offset: number, profileId: string): Row => {
      const row = at(time + offset) as { payload: Row };
      return { ...row, payload: { ...row.payload, profileId } };
    };
    await postBatch(daemon, [
      at(time),
      { type: "identify", payload: { profileId: "user-1", properties: { __deviceId: "device" } } },
      named(1_000, "user-1"),
      named(2_000, "user-1"),
    ]);
    const { events, starts, sessions } = await untilEnded(daemon, 1);
    const sorted = events.sort((a, b) => times([a])[0] - times([b])[0]);
    assertEquals(sorted.map(({ profile_id }) => profile_id), ["device", "user-1", "user-1"]);
    assertEquals([ids(events).length, starts.length], [1, 1]);
    assertEquals(sessions.map(({ profile_id, event_count }) => [profile_id, event_count]), [["user-1", 3]]);
  });

  test("P5, P6: one session_start, however requests race or follow each other", {}, async (daemon) => {
    const time = quietTime(2);
    const post = (from: number): Promise<unknown> =>
      postBatch(daemon, [at(time + from), at(time + from + 1)]);
    await Promise.all([post(0), post(10), post(20)]);
    for (let i = 3; i < 6; i++) await post(10 * i);
    const { starts, events } = await stored(daemon);
    assertEquals([events.length, ids(events).length, starts.length], [12, 1, 1]);
  });

  test("P7: another profile in another bucket", closing, async (daemon) => {
    const time = quietTime(4);
    const as = (profileId: string, offset: number): Row => {
      const row = at(time + offset) as { payload: Row };
      return { ...row, payload: { ...row.payload, profileId } };
    };
    await postBatch(daemon, [as("A", 0), as("B", hour)]);
    const { sessions } = await untilEnded(daemon, 2);
    assertEquals(
      new Map(sessions.map(({ id, profile_id }) => [id, profile_id])),
      new Map([[sessionOf("device", time), "A"], [sessionOf("device", time + hour), "B"]]),
    );
  });

  test("P8: twenty events of one millisecond", {}, async (daemon) => {
    const time = quietTime(2);
    await postBatch(daemon, Array.from({ length: 20 }, () => at(time)));
    const { starts, events } = await stored(daemon);
    assertEquals([events.length, ids(events).length, starts.length], [20, 1, 1]);
  });

  test("P21, P22: one bucket in two batches", {}, async (daemon) => {
    const time = quietTime(2);
    await postBatch(daemon, [at(time)]);
    await postBatch(daemon, [at(time + 1_000)]);
    const { starts, events } = await stored(daemon);
    assertEquals(ids(events), [sessionOf("device", time)]);
    assertEquals(events.map(({ device_id }) => device_id), ["device", "device"]);
    assertEquals(starts.length, 1);
  });

  test("P24: five days of old events, while the device is online", {}, async (daemon) => {
    const now = Date.now();
    const [live] = [(await postOne(daemon, event("now"))).json as Row];
    const backlog = Array.from({ length: 239 }, (_, i) => at(now - (i + 1) * 30 * minute - minute));
    const { accepted } = await postBatch(daemon, backlog);
    assertEquals(accepted, 239);
    const after = (await postOne(daemon, event("after"))).json as Row;
    assertEquals(after.sessionId, live.sessionId);
    const { events, starts, ends } = await stored(daemon);
    assertEquals([ids(events).length, ids(starts).length, starts.length], [240, 240, 240]);
    assertEquals(ends, []);
    const ofLive = events.filter(({ session_id }) => session_id === live.sessionId);
    assertEquals(ofLive.map(({ name }) => name).sort(), ["after", "now"]);
  });

  test("S6: a single custom event", quick, async (daemon) => {
    const before = Date.now();
    const { json } = await postOne(daemon, event("signup"));
    const { starts, ends, sessions, events } = await untilEnded(daemon, 1);
    const { sessionId } = json as Row;
    assertEquals([starts.length, ends.length, sessions.length], [1, 1, 1]);
    const [time] = times(events);
    assert(time >= before);
    assertEquals([times(starts)[0], times(ends)[0]], [time - 100, time + 1_000]);
    assertEquals((ends[0].properties as Row).__bounce, true);
    assertEquals([ends[0].event_count, ends[0].screen_view_count, ends[0].duration], [1, 0, 0]);
    const { id, is_bounce, event_count, screen_view_count, version, created_at, ended_at } = sessions[0];
    assertEquals({ id, is_bounce, event_count, screen_view_count, version, created_at, ended_at }, {
      ...{ id: sessionId, is_bounce: true, event_count: 1, screen_view_count: 0, version: 1 },
      ...{ created_at: iso(time), ended_at: iso(time) },
    });
  });

  test("S9: the referrer of a session is on its later events", {}, async (daemon) => {
    const page = { __path: "https://shop.example/a", __referrer: "https://www.google.com/" };
    await postOne(daemon, event("screen_view", page));
    await postOne(daemon, event("screen_view", { __path: "https://shop.example/b" }));
    await postBatch(daemon, [event("later"), event("own", { __referrer: "https://github.com" })]);
    const { events } = await stored(daemon);
    const google = ["https://www.google.com", "Google", "search"];
    const found = events.map((row) => [row.referrer, row.referrer_name, row.referrer_type]);
    assertEquals(found, [google, google, google, ["https://github.com", "GitHub", "tech"]]);
  });

  test("S11: events of servers have no sessions but those of their profile", quick, async (daemon) => {
    const server = { "user-agent": "node" };
    const track = (payload: Row): Row => ({ type: "track", payload: { name: "server", ...payload } });
    const alone = (await postOne(daemon, track({ profileId: "user-1" }), server)).json as Row;
    assertEquals(alone.sessionId, "");
    const view = { type: "track", payload: { name: "view", profileId: "user-1" } };
    const live = (await postOne(daemon, view, { "user-agent": chrome })).json as Row;
    const attached = (await postOne(daemon, track({ profileId: "user-1" }), server)).json as Row;
    assertEquals(attached, { deviceId: alone.deviceId, sessionId: live.sessionId });
    const other = (await postOne(daemon, track({ profileId: "user-2" }), server)).json as Row;
    assertEquals(other.sessionId, "");
    const { starts, sessions } = await untilEnded(daemon, 1);
    assertEquals(ids(starts), [live.sessionId]);
    assertEquals(sessions.map(({ id, event_count }) => [id, event_count]), [[live.sessionId, 2]]);
  });

  test(
    "A session tells where it began and ended, what it brought, and how long it was",
    closing,
    async (daemon) => {
      const time = quietTime(2);
      const url = (path: string): string => `https://shop.example${path}`;
      const view = (offset: number, path: string): Row =>
        event("screen_view", { __timestamp: iso(time + offset), __path: url(path) });
      await postBatch(daemon, [
        view(5_000, "/cart"),
        view(0, "/landing?utm_source=news&utm_campaign=may"),
        event("revenue", { __timestamp: iso(time + 9_000), __revenue: 250 }),
        view(7_000, "/done"),
        event("revenue", { __timestamp: iso(time + 9_500), __revenue: 50 }),
      ]);
      const { sessions, ends, starts } = await untilEnded(daemon, 1);
      const { kind: _, device: __, fence: ___, ...row } = sessions[0];
      assertEquals(row, {
        ...{
          project_id: "default",
          id: sessionOf("device", time),
          version: 1,
          device_id: "device",
          profile_id: "device",
        },
        ...{ created_at: iso(time), ended_at: iso(time + 9_500), duration: 9_500, is_bounce: false },
        ...{ event_count: 2, screen_view_count: 3, revenue: 300 },
        ...{ entry_path: "/landing", entry_origin: url(""), exit_path: "/done", exit_origin: url("") },
        ...{ referrer_name: "news", referrer_type: "unknown", utm_source: "news", utm_campaign: "may" },
      });
      assertEquals([starts[0].path, ends[0].path, ends[0].entry_path], ["/landing", "/done", "/landing"]);
      assertEquals([(ends[0].properties as Row).__bounce, ends[0].duration], [false, 9_500]);
      assertEquals([times(starts)[0], times(ends)[0]], [time - 100, time + 10_500]);
    },
  );

  test("What comes after the end is in a higher version of the same rows", closing, async (daemon) => {
    const time = quietTime(2);
    await postBatch(daemon, [at(time)]);
    await untilEnded(daemon, 1);
    await postBatch(daemon, [at(time - minute), at(time + minute)]);
    const { starts, ends, sessions } = await untilEnded(daemon, 2);
    const versions = (rows: Row[]): unknown[] => rows.map(({ version }) => version).sort();
    assertEquals([versions(starts), versions(ends), versions(sessions)], [[1, 3], [1, 2], [1, 2]]);
    for (const rows of [starts, ends, sessions]) assertEquals(new Set(rows.map(({ id }) => id)).size, 1);
    const last = sessions.find(({ version }) => version === 2)!;
    assertEquals([last.event_count, last.duration, last.created_at], [3, 2 * minute, iso(time - minute)]);
    const [start] = starts.filter(({ version }) => version === 3);
    assertEquals(times([start])[0], time - minute - 100);
  });

  test("A row that was sent before counts once", closing, async (daemon) => {
    const time = quietTime(2);
    const row = (id: string, offset: number): Row => at(time + offset, { __insertId: id });
    await postBatch(daemon, [row("a", 0), row("b", 1_000)]);
    await postBatch(daemon, [row("b", 1_000), row("c", 2_000), row("a", 0)]);
    const { sessions, starts, events } = await untilEnded(daemon, 1);
    assertEquals([events.length, starts.length], [3, 1]);
    assertEquals(sessions.map(({ event_count, duration }) => [event_count, duration]), [[3, 2_000]]);
  });

  test(
    "Sessions live on over kill -9, flushed or not",
    { sessions: { timeout_ms: 4_000 } },
    async (daemon) => {
      const one = (await postOne(daemon, event("one"))).json as Row;
      await daemon.kill9();
      await daemon.restart();
      const two = (await postOne(daemon, event("two"))).json as Row;
      await flush(daemon);
      await daemon.kill9();
      await daemon.restart();
      const three = (await postOne(daemon, event("three"))).json as Row;
      assertEquals([two.sessionId, three.sessionId], [one.sessionId, one.sessionId]);
      await daemon.kill9();
      await daemon.restart();
      const { starts, ends, sessions } = await untilEnded(daemon, 1);
      assertEquals([starts.length, ends.length, sessions.length], [1, 1, 1]);
      assertEquals(sessions[0].event_count, 3);
      await daemon.kill9();
      await daemon.restart();
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      assertEquals((await stored(daemon)).sessions.length, 1);
    },
  );
}

Deno.test("P20: a row that the daemon fails on costs no other row", async () => {
  await using daemon = await startDaemon({ env: { WEIR_FAULTS: "track.row:error:3" } });
  const { accepted, rejected } = await postBatch(daemon, [event("a"), event("b"), event("c")]);
  assertEquals(accepted, 2);
  assertEquals(rejected.map(({ index, reason }) => [index, reason]), [[2, "internal"]]);
  assertEquals((await storedEvents(daemon)).map(({ name }) => name), ["a", "b"]);
});

Deno.test("A session is known after its catalog is lost", async () => {
  await using daemon = await startDaemon({ config: closing });
  const time = quietTime(2);
  await postBatch(daemon, [at(time), event("screen_view", { __timestamp: iso(time + 5), __path: "/a" })]);
  await untilEnded(daemon, 1);
  const open = (await postOne(daemon, event("open"))).json as Row;
  await flush(daemon);
  await daemon.kill9();
  for (const end of ["", "-wal", "-shm"]) {
    await Deno.remove(`${daemon.dataDir}/catalog.sqlite${end}`).catch(() => {});
  }
  await daemon.restart();
  await postBatch(daemon, [at(time + minute), event("after")]);
  const { sessions, starts } = await untilEnded(daemon, 2);
  const last = sessions.find(({ version }) => version === 2)!;
  assertEquals([last.event_count, last.screen_view_count, last.duration], [2, 1, minute]);
  assertEquals(last.entry_path, "/a");
  assertEquals(starts.map(({ session_id }) => session_id).sort(), [last.id, open.sessionId].sort());
});
