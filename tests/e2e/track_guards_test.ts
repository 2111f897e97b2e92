/**
 * Rows that are kept out (contract `track`, 1.3, Decision 12; cases S2, S17, S18, S19), and events that are dropped.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { type Reply, send } from "../support/http.ts";
import { readRows } from "../support/parts.ts";
import { chrome, event, flush, postOne } from "./track_requests.ts";

type Row = Record<string, unknown>;

const id = "00000000-0000-4000-8000-000000000001";
const secret = "sec_0123456789abcdef0123";
const googlebot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const page = {
  "openpanel-client-id": id,
  origin: "https://shop.example",
  "user-agent": chrome,
  "openpanel-client-ip": "203.0.113.9",
};
const trusted = { ...page, "openpanel-client-secret": secret };
const mistaken = { ...page, "openpanel-client-secret": "sec_00000000000000000000" };

function guarded(client: Row = {}): Promise<Daemon> {
  return startDaemon({
    config: {
      auth: {
        enabled: true,
        clients: [{ id, secret, project: "shop", cors_origins: ["https://shop.example"], ...client }],
      },
    },
  });
}

/** Names of what is stored, but for what sessions add. */
async function namesIn(daemon: Daemon): Promise<unknown[]> {
  await flush(daemon);
  return (await readRows(daemon.dataDir, "events"))
    .map(({ name }) => name)
    .filter((name) => name !== "session_start" && name !== "session_end")
    .sort();
}

function facts({ status, json }: Reply): unknown[] {
  const { code, message } = json as Row;
  return [status, code, message];
}

Deno.test("Blocked addresses and profiles are kept out, row by row, unless a secret verifies", async () => {
  await using daemon = await guarded({ block_ips: ["198.51.100.1"], block_profile_ids: ["bad", "7"] });
  const blocked = { ...page, "openpanel-client-ip": "198.51.100.1" };
  const ipText = "IP address is blocked by project filter";
  const profileText = "Profile id is blocked by project filter";
  assertEquals(facts(await postOne(daemon, event("no"), blocked)), [
    401,
    "unauthorized",
    `Ingestion: ${ipText}`,
  ]);
  const bad = { type: "track", payload: { name: "no", profileId: "bad" } };
  assertEquals(facts(await postOne(daemon, bad, page)), [401, "unauthorized", `Ingestion: ${profileText}`]);
  assertEquals(facts(await postOne(daemon, bad, mistaken))[0], 401);
  const identify = { type: "identify", payload: { profileId: "bad", firstName: "B" } };
  assertEquals(facts(await postOne(daemon, identify, page))[0], 401);
  // A number is never blocked: the filter compares texts.
  assertEquals(
    (await postOne(daemon, { type: "track", payload: { name: "number", profileId: 7 } }, page)).status,
    200,
  );
  const { status, json } = await send(`${daemon.url}/track/batch`, {
    events: [
      event("first"),
      bad,
      event("no", { __ip: "198.51.100.1" }),
      event("no", { __identify: { profileId: "bad" } }),
      event("last"),
    ],
  }, { headers: page });
  assertEquals([status, json], [202, {
    accepted: 2,
    rejected: [
      { index: 1, reason: "validation", error: profileText },
      { index: 2, reason: "validation", error: ipText },
      { index: 3, reason: "validation", error: profileText },
    ],
  }]);
  const all = await send(`${daemon.url}/track/batch`, { events: [event("no"), event("no")] }, {
    headers: blocked,
  });
  assertEquals([all.status, (all.json as Row).accepted], [202, 0]);
  assertEquals(
    (await postOne(daemon, { type: "track", payload: { name: "trusted", profileId: "bad" } }, {
      ...trusted,
      "openpanel-client-ip": "198.51.100.1",
    })).status,
    200,
  );
  assertEquals(await namesIn(daemon), ["first", "last", "number", "trusted"]);
});

Deno.test("S17: revenue needs a secret that verifies, or a client that may do without", async () => {
  const text = "Ingestion: Revenue tracking is not allowed without a client secret";
  const revenue = (value: unknown): Row => event("revenue", { __revenue: value });
  await using daemon = await guarded();
  assertEquals(facts(await postOne(daemon, revenue(5), page)), [401, "unauthorized", text]);
  assertEquals(facts(await postOne(daemon, revenue(5), mistaken)), [401, "unauthorized", text]);
  for (const value of [1.5, -1, "5", null]) {
    assertEquals((await postOne(daemon, revenue(value), trusted)).status, 400, String(value));
  }
  assertEquals((await postOne(daemon, revenue(5), trusted)).status, 200);
  const batch = await send(`${daemon.url}/track/batch`, { events: [revenue(5), event("plain")] }, {
    headers: page,
  });
  const { accepted, rejected } = batch.json as { accepted: number; rejected: { index: number }[] };
  assertEquals([accepted, rejected.map(({ index }) => index)], [1, [0]]);
  await using open = await guarded({ allow_unsafe_revenue: true });
  assertEquals((await postOne(open, revenue(7), page)).status, 200);
  assertEquals(await namesIn(open), ["revenue"]);
  assertEquals(await namesIn(daemon), ["plain", "revenue"]);
});

Deno.test("S18: what a bot sends is not stored, unless a secret verifies; its page views are noted", async () => {
  await using daemon = await guarded();
  const bot = { ...page, "user-agent": googlebot };
  const { status, json } = await postOne(daemon, event("no", { __path: "https://shop.example/a" }), bot);
  assertEquals([status, json], [202, { bot: { name: "Googlebot", type: "Search bot" } }]);
  assertEquals((await postOne(daemon, { type: "identify", payload: { profileId: "u" } }, bot)).status, 202);
  // What is wrong with a row is told to bots as to everybody.
  assertEquals((await postOne(daemon, event(""), bot)).status, 400);
  const { accepted, rejected } =
    (await send(`${daemon.url}/track/batch`, { events: [event("no"), event("")] }, {
      headers: bot,
    })).json as { accepted: number; rejected: Row[] };
  assertEquals([accepted, rejected.map(({ reason }) => reason)], [0, ["validation", "validation"]]);
  assertEquals((await postOne(daemon, event("kept"), { ...trusted, "user-agent": googlebot })).status, 200);
  for (const agent of ["node", "Deno/2.9.6", "curl/8", "okhttp/4", "ESP32HTTPClient", "Dart/3.1 (dart:io)"]) {
    assertEquals(
      (await postOne(daemon, event("library"), { ...page, "user-agent": agent })).status,
      200,
      agent,
    );
  }
  assertEquals(await namesIn(daemon), ["kept", ...Array(6).fill("library")]);
  const [{ name, type, path, project_id }, ...more] = await readRows(daemon.dataDir, "bots");
  assertEquals([name, type, path, project_id, more], [
    ...["Googlebot", "Search bot", "https://shop.example/a", "shop", []],
  ]);
  assertEquals(await readRows(daemon.dataDir, "operations"), []);
});

Deno.test("S19: a client cannot say of itself whether it is a bot", async () => {
  await using daemon = await guarded();
  await postOne(daemon, event("a", { __bot: "1", __bot_reasons: ["x"], __title: "kept" }), page);
  await flush(daemon);
  const row = (await readRows(daemon.dataDir, "events")).find(({ name }) => name === "a");
  assertEquals(row?.properties, { __deviceId: "device", __title: "kept" });
  assertEquals([row?.__bot, row?.bot], [undefined, undefined]);
});

Deno.test("Events that the project drops are taken and not stored", async () => {
  await using daemon = await guarded({ drop_events: ["noise"] });
  for (const headers of [page, trusted]) {
    assertEquals((await postOne(daemon, event("noise"), headers)).status, 200);
  }
  const { json } = await send(`${daemon.url}/track/batch`, { events: [event("noise"), event("signal")] }, {
    headers: page,
  });
  assertEquals(json, { accepted: 2, rejected: [] });
  assertEquals(await namesIn(daemon), ["signal"]);
});

Deno.test("S2: the same event that a page posts twice at once is stored once, and answered alike", async () => {
  await using daemon = await startDaemon({ config: { track: { duplicate_window_ms: 60_000 } } });
  const headers = page;
  const [first, second] = await Promise.all([
    postOne(daemon, event("once"), headers),
    postOne(daemon, event("once"), headers),
  ]);
  const third = await postOne(daemon, event("once"), headers);
  const marks = [first, second, third].map(({ json }) => (json as Row).duplicate);
  assertEquals(marks.sort(), [true, true, undefined]);
  const ids = [first, second, third].map(({ status, json }) => {
    const { deviceId, sessionId } = json as Row;
    return [status, deviceId, sessionId];
  });
  assertEquals([ids[1], ids[2]], [ids[0], ids[0]]);
  assert(ids[0][2] !== "");
  // Everything counts that tells one sender from another, and so does every byte of the body.
  const others: [Row, Record<string, string>][] = [
    [event("once", { n: 1 }), headers],
    [event("once"), { ...headers, origin: "https://www.shop.example" }],
    [event("once"), { ...headers, "openpanel-client-ip": "203.0.113.10" }],
    [event("once"), { ...headers, "openpanel-client-id": "00000000-0000-4000-8000-000000000002" }],
  ];
  for (const [row, sent] of others) {
    const replies = [await postOne(daemon, row, sent), await postOne(daemon, row, sent)];
    assertEquals(replies.map(({ json }) => (json as Row).duplicate), [undefined, true]);
  }
  assertEquals((await namesIn(daemon)).length, 1 + others.length);
  // Without an origin it is no page, and may mean what it says.
  const { origin: _, ...server } = headers;
  for (let i = 0; i < 2; i++) {
    assertEquals(((await postOne(daemon, event("server"), server)).json as Row).duplicate, undefined);
  }
  assertEquals((await namesIn(daemon)).filter((name) => name === "server").length, 2);
  // What was refused is not remembered, and batches may repeat themselves.
  for (let i = 0; i < 2; i++) assertEquals((await postOne(daemon, event(""), headers)).status, 400);
  for (let i = 0; i < 2; i++) {
    const { json } = await postOne(daemon, { type: "batch", payload: [event("batched")] }, headers);
    assertEquals(json, { accepted: 1, rejected: [] });
  }
});

Deno.test("Whoever says to be a browser and sends none of its headers is marked, and kept in", async () => {
  await using daemon = await guarded();
  const row = (name: string): Row => event(name, { __bot: "1", __bot_reasons: "mine" });
  const browser = {
    "sec-ch-ua": `"Chromium";v="128"`,
    "sec-fetch-site": "cross-site",
    "accept-language": "de",
  };
  const sent: Record<string, Record<string, string>> = {
    bare: { ...page, "accept-language": "de" },
    browser: { ...page, ...browser },
    trusted,
    server: { ...page, "user-agent": "Mozilla/5.0" },
    again: { ...page, "accept-language": "de" },
  };
  for (const [name, headers] of Object.entries(sent)) {
    assertEquals((await postOne(daemon, row(name), headers)).status, 200);
  }
  await flush(daemon);
  const reasons = "header:missing_sec_ch_ua header:missing_sec_fetch";
  for (const { name, bot_reasons, properties } of await readRows(daemon.dataDir, "events")) {
    const isMarked = name === "bare" || name === "again";
    assertEquals([name, bot_reasons], [name, isMarked ? reasons : undefined]);
    assertEquals(properties, { __deviceId: "device" });
  }
});
