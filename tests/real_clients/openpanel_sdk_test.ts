/**
 * The published `@openpanel/sdk`, unmodified, against a daemon (contract `track`, section 5): what it was asked to
 * send is what lies in the files.
 */

import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { readParts, readRows } from "../support/parts.ts";
import { type Called, type Runtime, type Sdk, type SdkOptions, startSdk } from "./openpanel_sdk.ts";

const runtimes: readonly Runtime[] = ["deno", "node"];
const clientId = "3f1c2b7e-5d0a-4a53-9f0e-2f6f4a1c9d10";
const secret = "sec_0123456789abcdef0123";
const browser = {
  "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) " +
    "Chrome/128.0.0.0 Safari/537.36",
  "openpanel-client-ip": "203.0.113.9",
  "sec-ch-ua": '"Chromium";v="128"',
  "sec-fetch-mode": "cors",
  "accept-language": "de",
};
const browserColumns = {
  sdk_name: "node",
  sdk_version: "1.3.1",
  os: "Windows",
  os_version: "10",
  browser: "Chrome",
  browser_version: "128.0.0.0",
  device: "desktop",
};

type Row = Record<string, unknown>;

function sdkOf(
  runtime: Runtime,
  daemon: Daemon,
  { options = {}, headers }: Partial<SdkOptions> = {},
): Promise<Sdk> {
  return startSdk(runtime, { options: { clientId, apiUrl: daemon.url, ...options }, headers });
}

async function flush(daemon: Daemon): Promise<void> {
  assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
}

/** Every event that the SDK was asked to send, by its name; a name may come once. */
async function eventsByName(daemon: Daemon): Promise<Record<string, Row>> {
  await flush(daemon);
  const rows = (await readRows(daemon.dataDir, "events")).filter(({ name }) =>
    name !== "session_start" && name !== "session_end"
  );
  const byName = Object.fromEntries(rows.map((row) => [row.name as string, row]));
  assertEquals(Object.keys(byName).length, rows.length, "an event was stored twice");
  return byName;
}

/** The row without what the daemon made up; that is checked on the way. */
function sentPart(row: Row, span: { from: number; to: number }): Row {
  const { id, created_at: createdAt, ...rest } = row;
  assertMatch(id as string, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  const time = Date.parse(createdAt as string);
  assert(time >= span.from && time <= span.to, `${createdAt} is not when it was sent`);
  return rest;
}

function idsOf(called: Called): { device_id: string; session_id: string } {
  assert(called.returned, "the SDK got no ids");
  const { deviceId, sessionId } = called.returned;
  assertEquals([called.deviceId, called.sessionId], [deviceId, sessionId]);
  return { device_id: deviceId, session_id: sessionId };
}

/** The sum of a counter's samples whose line matches. */
async function counted(daemon: Daemon, sample: RegExp): Promise<number> {
  const { text } = await send(`${daemon.adminUrl}/metrics`);
  return text.split("\n").filter((line) => sample.test(line))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** Waits until so many rows were accepted: what the SDK sends from its queue tells nobody when it is done. */
async function untilAccepted(daemon: Daemon, rows: number): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (await counted(daemon, /^weir_rows_total\{.*outcome="accepted"/) < rows) {
    assertLess(performance.now(), deadline, `fewer than ${rows} rows came`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const runtime of runtimes) {
  Deno.test(`@openpanel/sdk under ${runtime}: every call of a browser lies in the files as it was made`, async () => {
    await using daemon = await startDaemon();
    await using op = await sdkOf(runtime, daemon, { headers: browser });
    const from = Date.now();
    const properties = { plan: "pro", price: 9.95, tags: ["a", "ü", null], nested: { deep: { yes: true } } };
    const anonymous = await op.call("track", "looked", properties);
    await op.call("setGlobalProperties", { shop: "berlin" });
    const person = { firstName: "Ada", lastName: "Lovelace", email: "ada@example.com" };
    const known = await op.call("identify", {
      profileId: "u1",
      ...person,
      avatar: "https://example.com/a.png",
      properties: { tier: "gold" },
    });
    const named = await op.call("track", "bought", { groups: ["g1"], items: 3 });
    const group = await op.call("upsertGroup", {
      id: "g1",
      type: "company",
      name: "Acme",
      properties: { seats: 3 },
    });
    const joined = await op.call("setGroup", "g2");
    const grouped = await op.call("track", "grouped");
    const counts = [
      await op.call("increment", { profileId: "u1", property: "visits", value: 2 }),
      await op.call("decrement", { profileId: "u1", property: "credit.left" }),
    ];
    const paid = await op.call("revenue", 4200, { deviceId: "till-7", currency: "EUR" });
    const page = {
      __path: "https://shop.example/cart?step=2#top",
      __referrer: "https://www.google.com/",
      __timestamp: new Date(from - 60_000).toISOString(),
    };
    const paged = await op.call("track", "paged", page);
    assertEquals("returned" in await op.call("alias", { profileId: "u1", alias: "u2" }), false);
    const span = { from, to: Date.now() };
    const events = await eventsByName(daemon);

    const ids = idsOf(anonymous);
    assertMatch(ids.device_id, /^[0-9a-f]{32}$/);
    assertMatch(ids.session_id, /^[A-Za-z0-9_-]{22}$/);
    const common = { kind: "event", project_id: clientId, ...browserColumns };
    assertEquals(sentPart(events.looked, span), {
      ...{ ...common, ...ids, name: "looked", profile_id: ids.device_id, properties },
    });
    assertEquals(sentPart(events.bought, span), {
      ...{ ...common, ...idsOf(named), name: "bought", profile_id: "u1", groups: ["g1"] },
      properties: { shop: "berlin", items: 3 },
    });
    assertEquals(sentPart(events.grouped, span), {
      ...{ ...common, ...idsOf(grouped), name: "grouped", profile_id: "u1", groups: ["g2"] },
      properties: { shop: "berlin" },
    });
    assertEquals(idsOf(paid).device_id, "till-7");
    assertEquals(sentPart(events.revenue, span), {
      ...{ ...common, ...idsOf(paid), name: "revenue", profile_id: "u1", groups: ["g2"], revenue: 4200 },
      properties: { shop: "berlin", currency: "EUR", __deviceId: "till-7", __revenue: 4200 },
    });
    const at = Date.parse(page.__timestamp);
    assertEquals(sentPart(events.paged, { from: at, to: at }), {
      ...{ ...common, ...idsOf(paged), name: "paged", profile_id: "u1", groups: ["g2"] },
      ...{ path: "/cart", origin: "https://shop.example", query: "?step=2", hash: "#top" },
      ...{ referrer: "https://www.google.com", referrer_name: "Google", referrer_type: "search" },
      properties: { shop: "berlin", ...page },
    });
    assertEquals(Object.keys(events).sort(), ["bought", "grouped", "looked", "paged", "revenue"]);

    const { sdk_name: _, sdk_version: __, ...device } = browserColumns;
    const given = {
      ...{ first_name: "Ada", last_name: "Lovelace", email: "ada@example.com" },
      avatar: "https://example.com/a.png",
    };
    const all = await readRows(daemon.dataDir, "operations");
    const operations = all.filter(({ op }) => op !== "seen");
    assertEquals(
      new Set(all.filter(({ op }) => op === "seen").map(({ profile_id }) => profile_id)),
      new Set(["u1"]),
    );
    const profile = { kind: "operation", project_id: clientId, profile_id: "u1" };
    const group1 = { type: "company", name: "Acme", properties: { seats: 3 } };
    assertEquals(operations.map((row) => sentPart(row, span)), [
      {
        ...{ ...profile, ...idsOf(known), op: "identify", ...given, ...browserColumns },
        properties: { shop: "berlin", tier: "gold" },
      },
      {
        ...{ kind: "operation", project_id: clientId, ...idsOf(group), op: "group", group_id: "g1" },
        ...group1,
      },
      { ...profile, ...idsOf(joined), op: "assign_group", group_ids: ["g2"] },
      { ...profile, ...idsOf(counts[0]), op: "increment", property: "visits", value: 2 },
      { ...profile, ...idsOf(counts[1]), op: "decrement", property: "credit.left", value: 1 },
    ]);
    const [state, ...otherProfiles] = await readRows(daemon.dataDir, "profiles");
    const { created_at: _at, updated_at: __at, last_seen_at: seenAt, journal: _journal, ...columns } = state;
    assert(Date.parse(seenAt as string) >= span.from, `seen at ${seenAt}`);
    assertEquals([columns, otherProfiles], [{
      ...{ kind: "profile", project_id: clientId, id: "u1", version: 6, is_external: true, groups: ["g2"] },
      ...{ ...given, ...device },
      properties: { shop: "berlin", tier: "gold", visits: 2, credit: { left: -1 } },
    }, []]);
    const [{ id, version, type, name, properties: ofGroup }] = await readRows(daemon.dataDir, "groups");
    assertEquals({ id, version, type, name, properties: ofGroup }, { id: "g1", version: 1, ...group1 });
    assertEquals(op.complaints(), "");
  });

  Deno.test(`@openpanel/sdk under ${runtime}: a server has a device but no session, unless it names its device`, async () => {
    await using daemon = await startDaemon();
    await using op = await sdkOf(runtime, daemon);
    const plain = idsOf(await op.call("track", "plain"));
    assertMatch(plain.device_id, /^[0-9a-f]{32}$/);
    assertEquals(plain.session_id, "");
    const named = idsOf(await op.call("track", "named", { __deviceId: "sensor-1" }));
    assertEquals(named.device_id, "sensor-1");
    assertMatch(named.session_id, /^[A-Za-z0-9_-]{22}$/);
    const events = await eventsByName(daemon);
    for (const [name, ids] of [["plain", plain], ["named", named]] as const) {
      const { device_id, session_id, device, os, browser } = events[name];
      assertEquals({ device_id, session_id, device, os, browser }, {
        ...{ ...ids, device: "server", os: undefined, browser: undefined },
      });
    }
  });

  Deno.test(`@openpanel/sdk under ${runtime}: what waits in its queue keeps its time and gets its person`, async () => {
    await using daemon = await startDaemon();
    await using op = await sdkOf(runtime, daemon, { options: { disabled: true }, headers: browser });
    const from = Date.now();
    assertEquals("returned" in await op.call("track", "early", { n: 1 }), false);
    assertEquals("returned" in await op.call("track", "later", { n: 2 }), false);
    const chunk = { chunk_index: 0, events_count: 2, is_full_snapshot: true, payload: "[1,2]" };
    const times = { started_at: new Date(from).toISOString(), ended_at: new Date(from + 5).toISOString() };
    await op.call("send", { type: "replay", payload: { ...chunk, ...times } });
    await op.call("identify", { profileId: "u7", email: "u7@example.com" });
    const span = { from, to: Date.now() };
    assertEquals(await counted(daemon, /^weir_rows_total/), 0);
    await op.call("ready");
    // Two events and a person at once; the replay follows when the SDK knows its session.
    await untilAccepted(daemon, 4);
    const events = await eventsByName(daemon);
    for (const [name, n] of [["early", 1], ["later", 2]] as const) {
      const row = events[name];
      const { profile_id: profileId, properties } = sentPart(row, span);
      assertEquals({ profileId, properties }, {
        ...{ profileId: "u7", properties: { n, __timestamp: row.created_at } },
      });
    }
    const [replay] = await readRows(daemon.dataDir, "replays");
    const { session_id: sessionId, chunk_index, events_count, is_full_snapshot, payload } = replay;
    assertEquals({ chunk_index, events_count, is_full_snapshot, payload }, chunk);
    assertEquals(sessionId, events.early.session_id);
    const [{ id: profileId, email }] = await readRows(daemon.dataDir, "profiles");
    assertEquals([profileId, email], ["u7", "u7@example.com"]);
  });

  Deno.test(`@openpanel/sdk under ${runtime}: S3, what is answered 500 twice is stored once, after two more tries`, async () => {
    await using daemon = await startDaemon({ env: { WEIR_FAULTS: "track.row:error:1-2" } });
    await using op = await sdkOf(runtime, daemon, {
      headers: { ...browser, origin: "https://shop.example" },
    });
    const since = performance.now();
    const called = await op.call("track", "tried", { n: 1 });
    const tookMs = performance.now() - since;
    // It waits 500 ms, then 1000 ms.
    assert(tookMs >= 1_450 && tookMs < 3_400, `${tookMs} ms`);
    assertEquals(await counted(daemon, /^weir_requests_total\{.*status="500"/), 2);
    const { tried, ...others } = await eventsByName(daemon);
    assertEquals([tried.device_id, tried.session_id, others], [
      ...[called.returned?.deviceId, called.returned?.sessionId, {}],
    ]);
    assert(tried.session_id !== "");
    assertEquals(op.complaints(), "");
  });

  for (const end of ["kill -9", "SIGTERM"] as const) {
    Deno.test(`@openpanel/sdk under ${runtime}: a daemon that is restarted (${end}) between calls loses nothing`, async () => {
      await using daemon = await startDaemon();
      await using op = await sdkOf(runtime, daemon, { headers: browser });
      const port = Number(new URL(daemon.url).port);
      const before = idsOf(await op.call("track", "before", { n: 0 }));
      if (end === "SIGTERM") assertEquals(await daemon.stop(), 0);
      else await daemon.kill9();
      // Nobody listens: the SDK tries again after 500, 1000 and 2000 ms.
      const since = performance.now();
      const calls = Array.from({ length: 5 }, (_, n) => op.call("track", `during_${n}`, { n }));
      await op.call("getDeviceId");
      await daemon.restart({ port });
      const during = await Promise.all(calls);
      assertGreaterOrEqual(performance.now() - since, 500, "the SDK did not have to try again");
      const after = await op.call("track", "after", { n: 9 });
      assertEquals(op.complaints(), "");
      const events = await eventsByName(daemon);
      assertEquals(Object.keys(events).sort(), [
        "after",
        "before",
        ...during.map((_, n) => `during_${n}`),
      ]);
      assertEquals(before.device_id, events.before.device_id);
      during.forEach((called, n) => {
        const { device_id, session_id, properties } = events[`during_${n}`];
        // The salt outlives the daemon: the same sender is the same device after the restart.
        assertEquals({ device_id, session_id, properties }, { ...idsOf(called), properties: { n } });
        assertEquals(device_id, before.device_id);
      });
      assertEquals(idsOf(after).device_id, before.device_id);
    });
  }

  Deno.test(`@openpanel/sdk under ${runtime}: events with insert ids are stored once, also when their reply was lost`, async () => {
    // Stands still when the first events are in the journal, and nobody was told.
    await using daemon = await startDaemon({ env: { WEIR_FAULTS: "journal.written:pause" } });
    await using op = await sdkOf(runtime, daemon, { headers: browser });
    const port = Number(new URL(daemon.url).port);
    const calls = Array.from(
      { length: 20 },
      (_, n) => op.call("track", `event_${n}`, { n, __insertId: `insert-${n}` }),
    );
    await daemon.waitForLog("fault point reached: journal.written");
    await daemon.restart({ port });
    const answers = await Promise.all(calls);
    const events = await eventsByName(daemon);
    assertEquals(Object.keys(events).length, 20);
    answers.forEach(({ returned }, n) => {
      const { device_id, session_id, insert_id } = events[`event_${n}`];
      assertEquals([device_id, session_id, insert_id], [
        ...[returned?.deviceId, returned?.sessionId, `insert-${n}`],
      ]);
    });
    assert(answers.some(({ returned }) => returned?.duplicate), "no event was sent twice");
  });

  Deno.test(`@openpanel/sdk under ${runtime}: a secret opens the project, a wrong one is told at once and not tried again`, async () => {
    const clients = [
      { id: clientId, secret, project: "shop", cors_origins: ["https://shop.example"] },
    ];
    await using daemon = await startDaemon({ config: { auth: { enabled: true, clients } } });
    await using right = await sdkOf(runtime, daemon, { options: { clientSecret: secret }, headers: browser });
    const ids = idsOf(await right.call("track", "allowed", { n: 1 }));
    const atShop = { ...browser, origin: "https://www.shop.example" };
    await using page = await sdkOf(runtime, daemon, { headers: atShop });
    assertEquals(idsOf(await page.call("track", "allowed_by_origin")), ids);

    await using wrong = await sdkOf(runtime, daemon, { options: { clientSecret: "sec_wrong" } });
    await using none = await sdkOf(runtime, daemon);
    for (const op of [wrong, none]) {
      const refused = await counted(daemon, /^weir_requests_total\{.*status="401"/);
      assertEquals(await op.call("track", "refused"), { returned: null, deviceId: "", sessionId: "" });
      assertEquals(await counted(daemon, /^weir_requests_total\{.*status="401"/), refused + 1);
      assertEquals(op.complaints(), "");
    }
    await flush(daemon);
    const parts = await readParts(daemon.dataDir, "events");
    assert(parts.every(({ partition }) => partition.startsWith("events/project=shop/")));
    const { allowed, allowed_by_origin, ...others } = await eventsByName(daemon);
    assertEquals(others, {});
    for (const { project_id, device_id, session_id } of [allowed, allowed_by_origin]) {
      assertEquals({ project_id, device_id, session_id }, { project_id: "shop", ...ids });
    }
    const text = daemon.logs().map((line) => JSON.stringify(line)).join("\n");
    assertEquals(text.includes(secret), false, "a log line holds the secret");
  });
}

Deno.test("@openpanel/sdk: one browser is one device, wherever the SDK that speaks for it runs", async () => {
  await using daemon = await startDaemon();
  const ids = [];
  for (const [runtime, address] of [["deno", "1"], ["node", "1"], ["node", "2"]] as const) {
    const headers = { ...browser, "openpanel-client-ip": `203.0.113.${address}` };
    await using op = await sdkOf(runtime, daemon, { headers });
    ids.push(idsOf(await op.call("track", "seen")).device_id);
  }
  assertEquals(ids[0], ids[1]);
  assert(ids[1] !== ids[2], "another address must be another device");
});

Deno.test("@openpanel/sdk: what cannot be an event is tried four times, told, and costs nothing else", async () => {
  await using daemon = await startDaemon();
  await using op = await sdkOf("node", daemon, { headers: browser });
  const refused = op.call("track", "");
  const taken = await op.call("track", "fine");
  assertEquals(await refused, { returned: null, deviceId: "", sessionId: "" });
  assertStringIncludes(op.complaints(), "HTTP error! status: 400");
  assertEquals(await counted(daemon, /^weir_requests_total\{.*status="400"/), 4);
  const { fine, ...others } = await eventsByName(daemon);
  assertEquals([fine.device_id, others], [idsOf(taken).device_id, {}]);
});
