/**
 * Dialect `track` from outside: the cases of its contract (section 6) about times, sessions and devices.
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { readRows } from "../support/parts.ts";
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

const iso = (time: number): string => new Date(time).toISOString();

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** The stored rows of this name, oldest first. */
async function rowsNamed(daemon: Daemon, name: string): Promise<Row[]> {
  const rows = (await storedEvents(daemon)).filter((row) => row.name === name);
  return rows.sort((a, b) => (a.created_at as string).localeCompare(b.created_at as string));
}

Deno.test("Decision 4: the time of an event is the client's where it can be believed", async (t) => {
  await using daemon = await startDaemon();
  /** Sends one event with this time; gives its stored time and the span in which it arrived. */
  const timeOf = async (
    name: string,
    sent: unknown,
  ): Promise<{ stored: number; since: number; until: number }> => {
    const since = Date.now();
    const { accepted } = await postBatch(daemon, [event(name, { __timestamp: sent })]);
    const until = Date.now();
    assertEquals(accepted, 1);
    const [row] = await rowsNamed(daemon, name);
    return { stored: Date.parse(row.created_at as string), since, until };
  };

  const kept: [string, (now: number) => [unknown, number]][] = [
    ["P9: 4 days 23 h 59 min old", (now) => [iso(now - 5 * day + minute), now - 5 * day + minute]],
    ["P10: 30 s ahead", (now) => [iso(now + 30_000), now + 30_000]],
    ["a number of ms", (now) => [now - hour, now - hour]],
    ["ISO without a zone, which is UTC", (now) => [iso(now - hour).slice(0, -1), now - hour]],
    ["another zone", (now) => [iso(now + hour).replace("Z", "+02:00"), now - hour]],
    [
      "whole seconds",
      (now) => [iso(now - hour).replace(/\.\d+Z/, "Z"), Math.floor((now - hour) / 1_000) * 1_000],
    ],
  ];
  for (const [name, make] of kept) {
    await t.step(`kept: ${name}`, async () => {
      const [sent, expected] = make(Date.now());
      assertEquals((await timeOf(name, sent)).stored, expected);
    });
  }

  const replaced: [string, (now: number) => unknown][] = [
    ["P10: 5 min ahead", (now) => iso(now + 5 * minute)],
    ["a year ahead", (now) => now + 365 * day],
    ["no time", () => "yesterday"],
    ["a day that is none", () => "2026-13-40T00:00:00.000Z"],
    ["nothing", () => ""],
    ["null", () => null],
    ["an object", () => ({ $date: 1 })],
    ["more than a date can hold", () => 1e300],
  ];
  for (const [name, make] of replaced) {
    await t.step(`time of arrival: ${name}`, async () => {
      const { stored, since, until } = await timeOf(name, make(Date.now()));
      assert(stored >= since && stored <= until, `${stored} is not within ${since}..${until}`);
    });
  }

  await t.step("P9 and S1: older than 5 days is refused, as a row and alone", async () => {
    const old = event("too old", { __timestamp: iso(Date.now() - 5 * day - minute) });
    const { accepted, rejected } = await postBatch(daemon, [event("beside the old"), old]);
    assertEquals([accepted, rejected], [1, [{
      index: 1,
      reason: "validation",
      error: "event timestamp older than 5 days",
    }]]);
    const { status, json } = await postOne(daemon, old);
    assertEquals([status, (json as { message: string }).message], [400, "event timestamp older than 5 days"]);
    assertEquals(await rowsNamed(daemon, "too old"), []);
  });

  await t.step("P1: of 168 hours, an event each, 119 are stored", async () => {
    const now = Date.now();
    const rows = Array.from(
      { length: 168 },
      // One millisecond more: an event of exactly five days is taken, and one may arrive as it is stamped.
      (_, i) => event("hourly", { __deviceId: "hourly", __timestamp: iso(now - (i + 1) * hour - 1) }),
    );
    const { accepted, rejected } = await postBatch(daemon, rows);
    assertEquals(accepted, 119);
    assertEquals(
      rejected.map(({ index, reason }) => [index, reason]),
      Array.from({ length: 49 }, (_, i) => [
        119 + i,
        "validation",
      ]),
    );
    const stored = await rowsNamed(daemon, "hourly");
    assertEquals(new Set(stored.map(({ session_id: session }) => session)).size, 119);
    for (const { created_at: at, session_id: session } of stored) {
      assertEquals(session, sessionOf("hourly", Date.parse(at as string)));
    }
  });
});

Deno.test("Sessions follow from project, device and half hour", async (t) => {
  await using daemon = await startDaemon();
  const edge = Math.floor((Date.now() - 6 * hour) / bucketMs) * bucketMs;

  await t.step("P2: 5 s behind the edge of a bucket the next session begins", async () => {
    const times = [
      edge - 25_000,
      edge,
      edge + 4_999,
      edge + 5_000,
      edge + bucketMs + 4_999,
      edge + bucketMs + 5_000,
    ];
    await postBatch(daemon, times.map((time) => event("edge", { __timestamp: iso(time) })));
    const sessions = (await rowsNamed(daemon, "edge")).map(({ session_id: session }) => session);
    assertEquals(sessions, times.map((time) => sessionOf("device", time)));
    const [a, b, c, d, e, f] = sessions;
    assertEquals([a, a, d], [b, c, e]);
    assertEquals(new Set([a, d, f]).size, 3);
  });

  await t.step("P3: devices at one address have sessions of their own", async () => {
    const rows = ["d1", "d2", "d3"].map((device) =>
      event("three", { __deviceId: device, __timestamp: iso(edge) })
    );
    await postBatch(daemon, rows, { "openpanel-client-ip": "203.0.113.9" });
    const stored = await rowsNamed(daemon, "three");
    assertEquals(new Set(stored.map(({ session_id: session }) => session)).size, 3);
  });

  await t.step("P7: a profile is that of the event, not of the device", async () => {
    await postBatch(
      daemon,
      ["A", "B"].map((profileId, i) => ({
        type: "track",
        payload: {
          name: "two profiles",
          profileId,
          properties: { __deviceId: "d", __timestamp: iso(edge + i * hour) },
        },
      })),
    );
    const stored = await rowsNamed(daemon, "two profiles");
    assertEquals(stored.map(({ profile_id: profile }) => profile), ["A", "B"]);
    assertNotEquals(stored[0].session_id, stored[1].session_id);
  });

  await t.step("P8: twenty events of one ms are twenty rows of one session", async () => {
    const rows = Array.from({ length: 20 }, () => event("same ms", { __timestamp: iso(edge + minute) }));
    assertEquals((await postBatch(daemon, rows)).accepted, 20);
    const stored = await rowsNamed(daemon, "same ms");
    assertEquals(stored.length, 20);
    assertEquals(new Set(stored.map(({ id }) => id)).size, 20);
    assertEquals(new Set(stored.map(({ session_id: session }) => session)).size, 1);
  });

  await t.step("P21: two requests of one bucket have one session", async () => {
    const rows = [1, 2].map((n) => event("two requests", { __timestamp: iso(edge + n * minute) }));
    for (const row of rows) await postBatch(daemon, [row]);
    const [first, second] = await rowsNamed(daemon, "two requests");
    assertEquals(first.session_id, second.session_id);
  });

  await t.step("P24: an event each half hour for five days, each in a session of its own", async () => {
    const count = 5 * 48 - 2;
    const rows = Array.from(
      { length: count },
      (_, i) => event("half hourly", { __timestamp: iso(Date.now() - minute - i * bucketMs) }),
    );
    assertEquals((await postBatch(daemon, rows)).accepted, count);
    const stored = await rowsNamed(daemon, "half hourly");
    assertEquals(new Set(stored.map(({ session_id: session }) => session)).size, count);
  });
});

Deno.test("Devices are those that events name, else a hash of who sent them", async (t) => {
  await using daemon = await startDaemon();
  const browser = { "user-agent": chrome, "openpanel-client-ip": "203.0.113.9" };
  const idsOf = async (properties: Row, headers: Row = browser): Promise<Row> => {
    const { status, json } = await postOne(
      daemon,
      { type: "track", payload: { name: "device", properties } },
      headers as Record<string, string>,
    );
    assertEquals(status, 200);
    return json as Row;
  };
  const hashed = await idsOf({});

  await t.step("a hash of 32 digits, the same for the same sender, with a session", async () => {
    assertMatch(hashed.deviceId as string, /^[0-9a-f]{32}$/);
    assertEquals(await idsOf({}), hashed);
    assertMatch(hashed.sessionId as string, /^[\w-]{22}$/);
  });

  await t.step("another one for another address, user agent or project", async () => {
    const others = await Promise.all([
      idsOf({}, { ...browser, "openpanel-client-ip": "203.0.113.10" }),
      idsOf({}, { ...browser, "user-agent": chrome.replace("128", "129") }),
      idsOf({}, { ...browser, "openpanel-client-id": "another" }),
      idsOf({ __ip: "198.51.100.1" }),
    ]);
    const ids = [hashed, ...others].map(({ deviceId }) => deviceId);
    assertEquals(new Set(ids).size, 5);
  });

  await t.step("P22 and S4: a named device is trimmed; what is none is ignored", async () => {
    const named = await idsOf({ __deviceId: "  cookie-abc  " });
    assertEquals(named.deviceId, "cookie-abc");
    assertMatch(named.sessionId as string, /^[\w-]{22}$/);
    assertEquals((await idsOf({ __deviceId: "x".repeat(64) })).deviceId, "x".repeat(64));
    for (const device of ["   ", "", "x".repeat(65), 123, null, ["a"], { a: 1 }, true]) {
      assertEquals((await idsOf({ __deviceId: device })).deviceId, hashed.deviceId, JSON.stringify(device));
    }
  });

  await t.step("P12: addresses that events name neither move their device nor are stored", async () => {
    const time = iso(quietTime(2));
    const rows = ["203.0.113.1", "198.51.100.2", "192.0.2.3"].map((ip) =>
      event("addresses", { __ip: ip, __timestamp: time })
    );
    await postBatch(daemon, rows, browser);
    const stored = await rowsNamed(daemon, "addresses");
    assertEquals(new Set(stored.map(({ session_id: session }) => session)).size, 1);
    assert(stored.every(({ properties }) => !Object.hasOwn(properties as Row, "__ip")));
  });

  await t.step("S11 and Decision 6: a server has no session, unless it names a device", async () => {
    for (const agent of ["node", "curl/8", "Deno/2.9.6", "Mozilla/5.0", "SensorFW/1.4.2 (ESP32; rev 3)"]) {
      const headers = { ...browser, "user-agent": agent };
      const { deviceId, sessionId } = await idsOf({}, headers);
      assertMatch(deviceId as string, /^[0-9a-f]{32}$/);
      assertEquals(sessionId, "", agent);
      assertMatch((await idsOf({ __deviceId: "sensor 7" }, headers)).sessionId as string, /^[\w-]{22}$/);
    }
    await flush(daemon);
    const rows = (await readRows(daemon.dataDir, "events")).filter(({ session_id: session }) =>
      session === ""
    );
    assertEquals(rows.length, 5);
    assert(
      rows.every(({ device, os, browser }) =>
        device === "server" && os === undefined && browser === undefined
      ),
    );
  });
});
