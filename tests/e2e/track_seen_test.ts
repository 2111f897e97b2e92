/**
 * Profiles that nobody identified: their sessions tell of them (contract `track`, 4.3). Each case runs in every room that
 * claims may be in.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { readRows } from "../support/parts.ts";
import { rooms } from "./session_rooms.ts";
import { chrome, event, flush, postBatch, postOne, quietTime } from "./track_requests.ts";

type Row = Record<string, unknown>;

const iso = (time: number): string => new Date(time).toISOString();
const browser = { "user-agent": chrome };

/** An event that names a profile. */
function named(profileId: string, properties: Row = {}): Row {
  const row = event("e", properties) as { payload: Row };
  return { ...row, payload: { ...row.payload, profileId } };
}

/** A profile as the daemon answers it; undefined when it knows none. */
async function read(daemon: Daemon, id: string): Promise<Row | undefined> {
  const url = `${daemon.url}/v1/projects/default/profiles/${encodeURIComponent(id)}`;
  const { status, json } = await send(url, undefined, { method: "GET" });
  if (status === 404) return undefined;
  assertEquals(status, 200);
  return json as Row;
}

async function operations(daemon: Daemon): Promise<Row[]> {
  await flush(daemon);
  return (await readRows(daemon.dataDir, "operations")).filter(({ op }) => op === "seen");
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 20_000; !await holds();) {
    assert(performance.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const slow = { flush: { interval_ms: 3_600_000 } };

for (const { name: room, open } of rooms) {
  const test = (name: string, config: Row, run: (daemon: Daemon) => Promise<void>): void =>
    Deno.test(`${name} (claims in ${room})`, async () => {
      await using house = await open();
      await using daemon = await startDaemon({ config: { ...slow, ...config, ...house.config } });
      await run(daemon);
    });

  test("The profile of an event is there once the event is, flushed or not", {}, async (daemon) => {
    const time = Date.now() - 60_000;
    await postOne(daemon, named("u", { __timestamp: iso(time) }), browser);
    await postOne(daemon, event("e", { __deviceId: "nobody" }), browser);
    const before = await read(daemon, "u");
    const { kind, id, is_external, created_at, last_seen_at, os, browser: name, device, version } = before!;
    assertEquals({ kind, id, is_external, created_at, last_seen_at, os, name, device, version }, {
      ...{ kind: "profile", id: "u", is_external: true, created_at: iso(time), last_seen_at: iso(time) },
      ...{ os: "Linux", name: "Chrome", device: "desktop", version: 1 },
    });
    await postBatch(daemon, [named("u"), named("u")], browser);
    assertEquals((await operations(daemon)).map(({ profile_id }) => profile_id), ["u"]);
    assertEquals(await read(daemon, "u"), before);
    assertEquals(await readRows(daemon.dataDir, "profiles"), [before!]);
    // A device that names nobody is told of by its sessions alone.
    assertEquals([await read(daemon, "nobody"), await read(daemon, "device")], [undefined, undefined]);
  });

  test("What was said of a profile stays, and steps count on it", {}, async (daemon) => {
    const identify = (profileId: string, payload: Row): Row => ({
      type: "identify",
      payload: { profileId, ...payload },
    });
    const step = { type: "increment", payload: { profileId: "after", property: "n" } };
    const old = quietTime(20);
    await postOne(daemon, identify("before", { firstName: "Ada", properties: { plan: "pro" } }), browser);
    const mac = { "user-agent": chrome.replace("X11; Linux x86_64", "Macintosh; Intel Mac OS X 10_15_7") };
    await postBatch(daemon, [named("before", { __deviceId: "past", __timestamp: iso(old) })], mac);
    await postBatch(daemon, [named("after", { __deviceId: "new" })], browser);
    assertEquals((await postOne(daemon, step)).status, 200);
    await postOne(daemon, identify("after", { lastName: "Lovelace" }), browser);
    for (const isFlushed of [false, true]) {
      if (isFlushed) await flush(daemon);
      const [before, after] = [await read(daemon, "before"), await read(daemon, "after")];
      assertEquals([before?.first_name, before?.properties, before?.os], ["Ada", { plan: "pro" }, "Linux"]);
      assert(Date.parse(before?.last_seen_at as string) > Date.now() - 60_000, "seen long ago");
      assertEquals([after?.last_name, after?.properties, after?.os], ["Lovelace", { n: 1 }, "Linux"]);
      assertEquals([before?.version, after?.version], [2, 3]);
    }
  });

  test(
    "The end of a session says when its profile was last seen",
    { sessions: { backlog_close_ms: 1_000 } },
    async (daemon) => {
      const time = quietTime(3);
      const at = (seconds: number): { __timestamp: string } => ({ __timestamp: iso(time + 1_000 * seconds) });
      await postBatch(daemon, [event("e", at(0)), named("first", at(10))], browser);
      await postBatch(daemon, [named("second", at(20)), event("e", at(30))], browser);
      assertEquals((await read(daemon, "first"))?.last_seen_at, iso(time + 10_000));
      await until("the session ends", async () => await read(daemon, "second") !== undefined);
      const { created_at, last_seen_at, browser: name } = (await read(daemon, "second"))!;
      assertEquals([created_at, last_seen_at, name], [iso(time + 30_000), iso(time + 30_000), "Chrome"]);
      const told = (await operations(daemon)).sort((a, b) => String(a.id) < String(b.id) ? -1 : 1);
      assertEquals(told.map(({ profile_id }) => profile_id), ["first", "second"]);
    },
  );

  test("A profile lives on over kill -9, and is counted once", {}, async (daemon) => {
    await postBatch(daemon, [named("u"), named("v", { __deviceId: "other" })], browser);
    const profiles = [await read(daemon, "u"), await read(daemon, "v")];
    assertEquals(profiles.map((profile) => profile?.version), [1, 1]);
    for (const isFlushed of [false, true, true]) {
      if (isFlushed) await flush(daemon);
      await daemon.kill9();
      await daemon.restart();
      assertEquals([await read(daemon, "u"), await read(daemon, "v")], profiles);
      await postBatch(daemon, [named("u"), named("v", { __deviceId: "other" })], browser);
    }
    assertEquals([await read(daemon, "u"), await read(daemon, "v")], profiles);
    assertEquals((await operations(daemon)).length, 2);
  });
}
