/**
 * Dialect `backend` from outside: sessions, events of pages, and everything that can be read.
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { type Reply, send } from "../support/http.ts";
import { readRows } from "../support/parts.ts";

const t0 = Date.UTC(2026, 10, 20, 10);

// deno-lint-ignore no-explicit-any -- looked into as a client would
async function get(daemon: Daemon, path: string, headers: Record<string, string> = {}): Promise<any> {
  const { status, json, text } = await send(`${daemon.url}${path}`, undefined, { headers });
  assertEquals(status, 200, text);
  return json;
}

async function post(
  daemon: Daemon,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return await send(`${daemon.url}${path}`, body, { headers });
}

async function postEntries(daemon: Daemon, sid: string, ...entries: unknown[]): Promise<void> {
  const { status, json } = await post(daemon, `/v1/sessions/${sid}/backend`, { entries });
  assertEquals([status, (json as { accepted: number }).accepted], [201, entries.length]);
}

async function flush(daemon: Daemon): Promise<void> {
  assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
}

/** What is read open, after a crash and from parts must agree. */
async function atEveryStage(daemon: Daemon, check: () => Promise<void>): Promise<void> {
  await check();
  await daemon.restart();
  await check();
  await flush(daemon);
  await check();
}

function request(rid: string, t: number, fields: Record<string, unknown> = {}): unknown {
  return {
    t,
    request: { rid, method: "GET", url: `/${rid}`, status: 200, durMs: 5, key: "GET /", ...fields },
  };
}

function ridsOf(page: { items: { requestRid: string }[] }): string[] {
  return page.items.map(({ requestRid }) => requestRid);
}

Deno.test("POST /v1/sessions begins a session, tells how far the clocks are apart, and is on disk", async () => {
  await using daemon = await startDaemon();
  const before = Date.now();
  const { status, json } = await post(daemon, "/v1/sessions", { clientTime: before - 60_000 });
  const { sessionId, clockOffsetMs } = json as { sessionId: string; clockOffsetMs: number };
  assertEquals(status, 201);
  assertMatch(sessionId, /^S_[0-9a-f-]{36}$/);
  assert(clockOffsetMs >= 60_000 && clockOffsetMs <= 60_000 + Date.now() - before);
  for (const body of [{}, { clientTime: "soon" }, { clientTime: null }]) {
    const { json } = await post(daemon, "/v1/sessions", body);
    assertEquals((json as { clockOffsetMs: number }).clockOffsetMs, 0);
  }
  const bare = await send(`${daemon.url}/v1/sessions`, undefined, { method: "POST" });
  assertEquals([bare.status, (bare.json as { clockOffsetMs: number }).clockOffsetMs], [201, 0]);
  const finished = await post(daemon, `/v1/sessions/${sessionId}/finish`, { notes: "It broke “here”" });
  assertEquals([finished.status, finished.json], [201, {
    viewerUrl: `${daemon.url}/v1/sessions/${sessionId}/timeline`,
  }]);
  assertEquals((await send(`${daemon.url}/v1/sessions/${sessionId}/finish`, "[", {})).status, 400);
  assertEquals((await send(`${daemon.url}/v1/sessions/a b/finish`, {})).status, 400);
  await atEveryStage(daemon, async () => {
    const { ticks } = await get(daemon, `/v1/sessions/${sessionId}/timeline`);
    // deno-lint-ignore no-explicit-any -- see above
    assertEquals(ticks.map(({ type, data }: any) => [type, data.state, data.notes ?? null]), [
      ["visit", "started", null],
      ["visit", "finished", "It broke “here”"],
    ]);
  });
  assertEquals((await readRows(daemon.dataDir, "visits")).length, 6);
});

Deno.test("Events of pages: an action is a row, net is metadata of its request by rid, rrweb is kept", async () => {
  await using daemon = await startDaemon();
  const events = [
    { type: "action", aid: "A1", label: "Pay", tStart: t0, tEnd: t0 + 40, ui: { selector: "#pay" } },
    { type: "net", rid: "R1", aid: "A1", t: t0 + 10, method: "POST", url: "/pay", status: 201, duration: 31 },
    { type: "net", t: t0 + 11, data: { requestId: "R2", method: "GET", url: "/me", status: 200 } },
    { type: "rrweb", t: t0 + 1, data: { type: 3, data: {} } },
    { type: "net", method: "GET" },
    { type: "click" },
    { type: "action", label: "Nameless" },
    "no object",
  ];
  const { status, json } = await post(daemon, "/v1/sessions/S1/events", { seq: 1, events });
  const { ok, accepted, rejected } = json as { ok: boolean; accepted: number; rejected: unknown[] };
  assertEquals([status, ok, accepted], [201, true, 4]);
  // deno-lint-ignore no-explicit-any -- see above
  assertEquals(rejected.map(({ index, reason }: any) => [index, reason]), [
    [4, "no_request_id"],
    [5, "validation"],
    [6, "validation"],
    [7, "validation"],
  ]);
  // The backend's own half of R1, which comes later and knows less of some things.
  await postEntries(daemon, "S1", { t: t0 + 12, request: { rid: "R1", key: "POST /pay", trace: "[1]" } });
  const again = await post(daemon, "/v1/sessions/S1/events", { events: events.slice(0, 1) });
  assertEquals((again.json as { duplicates: number }).duplicates, 1);
  await atEveryStage(daemon, async () => {
    const one = await get(daemon, "/v1/sessions/S1/requests/R1");
    assertEquals(one.request, {
      ...{ actionId: "A1", method: "POST", url: "/pay", status: 201, durMs: 31, key: "POST /pay" },
    });
    assertEquals(one.events, [1]);
    const { ticks } = await get(daemon, "/v1/sessions/S1/timeline");
    // deno-lint-ignore no-explicit-any -- see above
    assertEquals(ticks.map(({ t, type, data }: any) => [t - t0, type, data.requestRid ?? data.action_id]), [
      [0, "action", "A1"],
      [10, "request", "R1"],
      [11, "request", "R2"],
    ]);
    assertEquals(ticks[0].data.data.ui, { selector: "#pay" });
    assertEquals([ticks[0].data.label, ticks[0].data.t_end], ["Pay", t0 + 40]);
  });
  const recordings = await readRows(daemon.dataDir, "recordings");
  assertEquals(recordings.map(({ data }) => data), [events[3]]);
});

Deno.test("One request is told whole: metadata, changes, mails, actions, every event in order", async () => {
  await using daemon = await startDaemon();
  await postEntries(
    daemon,
    "S1",
    { ...request("R/1?", t0) as object, actionId: "A1" },
    { t: t0, trace: `[{"n":2}]`, traceBatch: { rid: "R/1?", index: 1, total: 3 } },
    { t: t0, trace: `[{"n":1}]`, traceBatch: { rid: "R/1?", index: 0, total: 3 } },
    {
      t: t0 + 3,
      rid: "R/1?",
      db: [{ collection: "orders", op: "insert", after: { a: "ä" } }],
      email: { to: "x@y.z" },
    },
    { t: t0 + 4, rid: "R2", db: [{ collection: "others" }] },
    { t: t0 + 5, db: [{ collection: "nobody's" }] },
  );
  await atEveryStage(daemon, async () => {
    const { changes, mails, actions, events, ...rest } = await get(
      daemon,
      `/v1/sessions/S1/requests/${encodeURIComponent("R/1?")}`,
    );
    assertEquals(rest, {
      ...{ sessionId: "S1", requestRid: "R/1?" },
      request: {
        ...{ actionId: "A1", method: "GET", key: "GET /", url: "/R/1?", status: 200, durMs: 5 },
      },
      ...{
        firstT: t0,
        lastT: t0,
        batches: 2,
        total: 3,
        missing: [2],
        missingCount: 1,
        complete: false,
        replaced: 0,
      },
    });
    assertEquals(
      changes.map(({ collection, after }: { collection: string; after: unknown }) => [collection, after]),
      [
        ["orders", { a: "ä" }],
      ],
    );
    assertEquals([mails.length, actions, events], [1, [], [{ n: 1 }, { n: 2 }]]);
  });
  assertEquals((await send(`${daemon.url}/v1/sessions/S1/requests/nobody`)).status, 404);
  assertEquals((await send(`${daemon.url}/v1/sessions/S2/requests/R2`)).status, 404);
  assertEquals((await send(`${daemon.url}/v1/sessions/S1/requests/R2?format=svg`)).status, 400);
});

Deno.test("Lists of requests are filtered, and paged in an order that no flush changes", async () => {
  await using daemon = await startDaemon({ config: { flush: { interval_ms: 3_600_000 } } });
  const total = 60;
  const all = Array.from({ length: total }, (_, i) => {
    const fields = {
      ...{ method: i % 3 === 0 ? "POST" : "GET", status: [200, 204, 404, 500][i % 4], durMs: i * 10 },
      key: `GET /k${i % 5}`,
    };
    // Times go neither with the order of arrival nor with the names.
    return { rid: `r${i}`, t: t0 + (i * 37 % total) * 1000, fields, complete: i % 2 === 0 };
  });
  const entriesOf = ({ rid, t, fields, complete }: typeof all[number]): unknown[] => [
    request(rid, t, fields),
    { t, trace: "[1]", traceBatch: { rid, index: 0, total: complete ? 1 : 2 } },
  ];
  // A third in parts, a third in parts and open again, a third open.
  const third = total / 3;
  await postEntries(daemon, "S1", ...all.slice(0, 2 * third).flatMap(entriesOf));
  await flush(daemon);
  await postEntries(daemon, "S1", ...all.slice(2 * third).flatMap(entriesOf));
  for (const { rid, t } of all.slice(third, 2 * third)) {
    await postEntries(daemon, "S1", { t: t + 1, request: { rid, respBody: "late" } });
  }
  await postEntries(daemon, "S2", request("elsewhere", t0 + 500));
  // It comes late and was first.
  await postEntries(daemon, "S1", { t: t0 - 1, request: { rid: "r30", url: "/early" } });
  all[30].t = t0 - 1;
  const sorted = all.toSorted((a, b) => a.t - b.t);
  const filters: [string, (one: typeof all[number]) => boolean][] = [
    ["", () => true],
    ["&method=post", ({ fields }) => fields.method === "POST"],
    ["&status=404", ({ fields }) => fields.status === 404],
    ["&status=2xx,500", ({ fields }) => fields.status < 300 || fields.status === 500],
    ["&minDurMs=250", ({ fields }) => fields.durMs >= 250],
    ["&key=GET%20/k2", ({ fields }) => fields.key === "GET /k2"],
    ["&complete=true", ({ complete }) => complete],
    ["&complete=false&method=GET", ({ complete, fields }) => !complete && fields.method === "GET"],
    [
      `&from=${t0 + 10_000}&to=${new Date(t0 + 20_000).toISOString()}`,
      ({ t }) => t >= t0 + 10_000 && t < t0 + 20_000,
    ],
    ["&rid=r7", ({ rid }) => rid === "r7"],
    ["&rid=r30", ({ rid }) => rid === "r30"],
    ["&action=none", () => false],
  ];
  await atEveryStage(daemon, async () => {
    for (const [query, fits] of filters) {
      const expected = sorted.filter(fits).map(({ rid }) => rid);
      for (const order of ["asc", "desc"]) {
        const seen: string[] = [];
        let cursor = "";
        do {
          const page = await get(daemon, `/v1/sessions/S1/requests?limit=7&order=${order}${query}${cursor}`);
          assert(page.items.length <= 7);
          seen.push(...ridsOf(page));
          cursor = page.next === null ? "" : `&cursor=${page.next}`;
        } while (cursor !== "");
        assertEquals(seen, order === "asc" ? expected : expected.toReversed(), `${order} ${query}`);
      }
    }
    const newest = await get(daemon, "/v1/requests?limit=3");
    assertEquals(ridsOf(newest), sorted.slice(-3).reverse().map(({ rid }) => rid));
    const everywhere = await get(daemon, "/v1/requests?limit=1000&order=asc");
    assertEquals(everywhere.items.length, total + 1);
    assertEquals([everywhere.items[0].requestRid, everywhere.next], ["r30", null]);
    assertEquals(ridsOf(await get(daemon, "/v1/requests?session=S2")), ["elsewhere"]);
    assertEquals(everywhere.items.find((item: { requestRid: string }) => item.requestRid === "r7"), {
      ...{
        sessionId: "S1",
        requestRid: "r7",
        key: "GET /k2",
        method: "GET",
        url: "/r7",
        status: 500,
        durMs: 70,
      },
      ...{ actionId: null, firstT: all[7].t, lastT: all[7].t, batches: 1, total: 2, missingCount: 1 },
      complete: false,
    });
  });
  for (
    const query of [
      "limit=0",
      "limit=x",
      "order=up",
      "status=abc",
      "cursor=!",
      "cursor=WzFd",
      "colour=red",
      "complete=1",
      "from=soon",
    ]
  ) {
    assertEquals((await send(`${daemon.url}/v1/requests?${query}`)).status, 400, query);
  }
});

Deno.test("Traces keep their order over a flush, whatever the order of the groups' names", async () => {
  await using daemon = await startDaemon();
  const rids = Array.from({ length: 30 }, (_, i) => `r${(i * 17) % 30}`);
  for (const [i, rid] of rids.entries()) {
    await postEntries(daemon, "S1", request(rid, t0 + (i >> 1), { key: `K${i % 3}`, trace: "[]" }));
  }
  const read = (): Promise<unknown> => get(daemon, "/v1/sessions/S1/traces");
  const before = await read();
  await flush(daemon);
  assertEquals(await read(), before);
});

Deno.test("With auth on, an app's pages send with its token, and read nothing", async () => {
  const apps = [
    { id: "shop", secret: "shop-secret", sdk_token: "token-of-shop", capture: ["action"] },
    { id: "mail", secret: "mail-secret" },
    { id: "gone", secret: "gone-secret", sdk_token: "token-of-gone", enabled: false },
  ];
  await using daemon = await startDaemon({ config: { auth: { enabled: true, apps } } });
  const asPage = { "x-sdk-token": "token-of-shop", authorization: "Bearer of-the-visitor" };
  const asApp = { "x-app-id": "shop", "x-app-secret": "shop-secret" };
  assertEquals(await get(daemon, "/v1/sdk/bootstrap?appId=shop"), {
    ...{ enabled: true, sdkToken: "token-of-shop", capture: { rrweb: false, action: true, net: false } },
  });
  for (const query of ["", "?appId=mail", "?appId=gone", "?appId=nobody"]) {
    assertEquals(await get(daemon, `/v1/sdk/bootstrap${query}`), { enabled: false });
  }
  const net = { events: [{ type: "net", rid: "R", t: t0, url: "/a" }] };
  const routes: [string, unknown][] = [
    ["/v1/sessions", {}],
    ["/v1/sessions/S1/events", net],
    ["/v1/sessions/S1/finish", {}],
  ];
  for (const [path, body] of routes) {
    for (const headers of [asPage, asApp, { ...asPage, "x-app-id": "shop" }]) {
      assertEquals((await post(daemon, path, body, headers)).status, 201, path);
    }
    const refused = [{}, { "x-sdk-token": "wrong" }, { "x-sdk-token": "token-of-gone" }, {
      ...asPage,
      "x-app-id": "mail",
    }];
    for (const headers of refused as Record<string, string>[]) {
      const { status, json } = await post(daemon, path, body, headers);
      assertEquals([status, (json as { message: string }).message], [403, "Forbidden resource"], path);
    }
    assertEquals((await send(`${daemon.url}${path}`, undefined, { method: "POST" })).status === 201, false);
  }
  assertEquals((await post(daemon, "/v1/sessions/S1/backend", { entries: [] }, asPage)).status, 403);
  const reads = [
    ...["/v1/sessions/S1/traces", "/v1/sessions/S1/requests", "/v1/sessions/S1/requests/R"],
    ...["/v1/sessions/S1/timeline", "/v1/requests"],
  ];
  for (const path of reads) {
    assertEquals((await send(`${daemon.url}${path}`, undefined, { headers: asPage })).status, 403, path);
    assertEquals((await send(`${daemon.url}${path}`, undefined, { headers: asApp })).status, 200, path);
  }
  const asOther = { "x-app-id": "mail", "x-app-secret": "mail-secret" };
  assertEquals((await get(daemon, "/v1/requests", asOther)).items, []);
  assertEquals((await get(daemon, "/v1/sessions/S1/timeline", asOther)).ticks, []);
});
