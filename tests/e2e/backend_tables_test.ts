/**
 * Dialect `backend` from outside: every row of its contract's tables, on one daemon. What is read back of a row must be
 * the same from the journal, after a crash, and from parts.
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { openRaw, requestHead, send } from "../support/http.ts";
import { type Members, type TableRow, tables } from "./backend_tables.ts";

/** So many rows are under way at once. */
const senders = 8;

// deno-lint-ignore no-explicit-any -- looked into as a client would
async function get(daemon: Daemon, path: string): Promise<any> {
  const { status, json, text } = await send(`${daemon.url}${path}`);
  assertEquals(status, 200, text);
  return json;
}

async function flush(daemon: Daemon): Promise<void> {
  assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
}

async function forEachRow(
  rows: readonly [string, TableRow][],
  work: (sid: string, row: TableRow) => Promise<void>,
): Promise<void> {
  const rest = [...rows];
  const sender = async (): Promise<void> => {
    for (let next = rest.pop(); next; next = rest.pop()) await work(...next);
  };
  await Promise.all(Array.from({ length: senders }, sender));
}

/** Sends a row and looks at the verdict on each of its entries. */
async function sendRow(daemon: Daemon, sid: string, row: TableRow): Promise<void> {
  const { entries, refused = [], duplicates = 0, what } = row;
  const reply = await send(`${daemon.url}/v1/sessions/${sid}/backend`, { entries });
  const { ok, accepted, rejected, duplicates: found = 0 } = reply.json as Members & { rejected: Members[] };
  const taken = entries.length - refused.length;
  assertEquals(
    [reply.status, ok, accepted, rejected.map(({ index, reason }) => [index, reason]), found],
    [taken > 0 ? 201 : 422, taken > 0, taken, refused, duplicates],
    what,
  );
}

/** Sends each entry of the rows in a POST of its own, with a flush behind each: what comes late lies in later parts. */
async function sendLate(daemon: Daemon, rows: readonly [string, TableRow][]): Promise<void> {
  const rounds = Math.max(...rows.map(([, { entries }]) => entries.length));
  const duplicates = new Map<TableRow, number>();
  for (let round = 0; round < rounds; round++) {
    for (const [sid, row] of rows) {
      if (round >= row.entries.length) continue;
      const entries = [row.entries[round]];
      const { status, json } = await send(`${daemon.url}/v1/sessions/${sid}/backend`, { entries });
      const isRefused = row.refused?.some(([index]) => index === round) ?? false;
      assertEquals(status, isRefused ? 422 : 201, row.what);
      const count = (json as { duplicates?: number }).duplicates ?? 0;
      duplicates.set(row, (duplicates.get(row) ?? 0) + count);
    }
    await flush(daemon);
  }
  for (const [, row] of rows) assertEquals(duplicates.get(row), row.duplicates ?? 0, row.what);
}

/** Reads a row's session back over every route that shows it. */
async function checkRow(daemon: Daemon, sid: string, row: TableRow): Promise<void> {
  const { what, batches, told, changes, mails } = row;
  const { items } = await get(daemon, `/v1/sessions/${sid}/traces`);
  const requests: Record<string, unknown> = {};
  for (const { key, traces } of items) {
    for (const trace of traces) {
      const rid = trace.requestRid;
      const one = await get(daemon, `/v1/sessions/${sid}/requests/${encodeURIComponent(rid)}`);
      // deno-lint-ignore no-explicit-any -- as above
      requests[rid] = trace.batches.map((batch: any) => [batch.batchIndex, batch.trace]);
      // deno-lint-ignore no-explicit-any -- as above
      assertEquals(one.events, trace.batches.flatMap((batch: any) => batch.trace), what);
      assertEquals([one.request.key ?? null, one.batches], [key, trace.batches.length], what);
      const expected = told?.[rid];
      if (expected) assertEquals(only(one, expected), expected, what);
    }
  }
  if (batches) assertEquals(requests, batches, what);
  for (const rid of Object.keys(told ?? {})) assert(rid in requests, `${what}: there is no ${rid}`);
  const list = await get(daemon, `/v1/sessions/${sid}/requests`);
  assertEquals(
    list.items.map(({ requestRid }: Members) => requestRid).toSorted(),
    Object.keys(requests).toSorted(),
    what,
  );
  if (!changes && !mails) return;
  const { ticks } = await get(daemon, `/v1/sessions/${sid}/timeline`);
  const rowsOf = (type: string): Members[] =>
    ticks.filter((tick: Members) => tick.type === type).map(({ data }: { data: Members }) => data);
  for (const [rows, expected] of [[rowsOf("change"), changes], [rowsOf("mail"), mails]] as const) {
    if (!expected) continue;
    assertEquals(rows.length, expected.length, what);
    const order = expected.map((columns, i) => only(rows[i], columns));
    assertEquals(sorted(order), sorted(expected), what);
  }
}

/** Rows of one time have an order of their own in parts. */
function sorted(rows: readonly Members[]): unknown[] {
  return rows.map((row) => JSON.stringify(row)).toSorted();
}

/** The members that are expected; those that are not there as undefined. */
function only(found: Members, expected: Members): Members {
  return Object.fromEntries(Object.keys(expected).map((name) => [name, found[name]]));
}

/** A row of section 1: one request and its answer. */
interface RouteRow {
  readonly path: string;
  /** A text goes as it is. @default none */
  readonly body?: unknown;
  /** @default "POST" */
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly status: number;
  /** Members of the reply; further ones are not looked at. */
  readonly json?: Members;
  /** Headers of the reply. */
  readonly told?: Record<string, string>;
}

const backend = "/v1/sessions/S1/backend";
const none = { ok: true, accepted: 0, rejected: [] };
const badRequest = { ok: false, statusCode: 400, error: "Bad Request" };
const entry = { rid: "R", trace: ["e"], index: 0 };
const offsetless = { clockOffsetMs: 0 };
const notFound = { ok: false, statusCode: 404 };

/** Section 1: what is asked, and what is answered. Nothing here may store anything in session S1. */
const routeRows: readonly RouteRow[] = [
  // Bodies without entries.
  ...["{}", `{"entries":null}`, `{"entries":[]}`, `{"more":1}`].map((body) => (
    { path: backend, body, status: 201, json: none }
  )),
  ...[
    ...["", " ", "[", "{", `{"entries":[`, `{"entries":[{}]`, `{"entries":[]}]`, "[]", "7", "null", `"{}"`],
    ...["{}", `"[]"`, "7", "true"].map((entries) => `{"entries":${entries}}`),
  ].map((body) => ({ path: backend, body, status: 400, json: badRequest })),
  // Entries that are none: told one by one.
  { path: backend, body: { entries: [null] }, status: 422, json: { ok: false, accepted: 0 } },
  { path: backend, body: { entries: [null, []] }, status: 422, json: { ok: false, accepted: 0 } },
  {
    ...{ path: backend, body: `{"entries":[{"rid":"R","trace":[],"index":1e999}]}`, status: 422 },
    json: { ok: false, accepted: 0 },
  },
  // What is no JSON, or no POST, is refused, where the original throws the body away behind an ok.
  ...["text/plain", "application/x-www-form-urlencoded"].map((type) => ({
    ...{ path: backend, body: { entries: [entry] }, headers: { "content-type": type } },
    ...{ status: 415, json: { ok: false, statusCode: 415 } },
  })),
  ...["GET", "PUT", "DELETE"].map((method) => (
    { path: backend, method, status: 405, json: { ok: false, statusCode: 405 }, told: { allow: "POST" } }
  )),
  // Pages of any origin.
  {
    ...{ path: backend, method: "OPTIONS", headers: { origin: "http://x.io" }, status: 204 },
    told: { "access-control-allow-origin": "*" },
  },
  {
    ...{ path: backend, body: {}, headers: { origin: "http://x.io" }, status: 201, json: none },
    told: { "access-control-allow-origin": "*" },
  },
  // Headers of released clients.
  {
    ...{ path: backend, body: {}, status: 201, json: none },
    headers: { "x-app-id": "a", "x-app-secret": "s", "x-app-name": "n", "x-tenant-id": "t" },
  },
  // Session ids.
  ...["a", "S_1-2.3:4", "x".repeat(128)].map((sid) => (
    { path: `/v1/sessions/${sid}/backend`, body: {}, status: 201, json: none }
  )),
  ...["a%20b", "%2e%2e%2fapps", "x".repeat(129), "%C3%A9", "a%2Fb"].flatMap((sid) => [
    ...["backend", "events", "finish"].map((route) => (
      { path: `/v1/sessions/${sid}/${route}`, body: {}, status: 400, json: badRequest }
    )),
    ...["traces", "timeline", "requests"].map((route) => (
      { path: `/v1/sessions/${sid}/${route}`, method: "GET", status: 400, json: badRequest }
    )),
  ]),
  // Sessions of pages.
  ...[{}, { clientTime: "1" }, { clientTime: null }, { clientTime: true }].map((body) => (
    { path: "/v1/sessions", body, status: 201, json: offsetless }
  )),
  { path: "/v1/sessions/S2/events", body: {}, status: 201, json: none },
  { path: "/v1/sessions/S2/events", body: { events: {} }, status: 400, json: badRequest },
  // Reads of what is not there.
  { path: "/v1/sessions/S1/traces", method: "GET", status: 200, json: { sessionId: "S1", items: [] } },
  { path: "/v1/sessions/S1/timeline", method: "GET", status: 200, json: { sessionId: "S1", ticks: [] } },
  { path: "/v1/sessions/S1/requests", method: "GET", status: 200, json: { items: [], next: null } },
  { path: "/v1/sessions/S1/requests/R", method: "GET", status: 404, json: notFound },
  // The original's views by action, and what a sid that was not escaped leads to.
  ...["/v1/sessions/S1/full", "/v1/sessions/S1/summary", "/v1/sessions/S1/actions/A1"].map((path) => (
    { path, method: "GET", status: 404 }
  )),
  { path: "/v1/apps/x?y=/backend", body: { entries: [entry] }, status: 404 },
  ...["", "?appId=nobody"].map((query) => (
    { path: `/v1/sdk/bootstrap${query}`, method: "GET", status: 200, json: { enabled: false } }
  )),
];

async function checkRoute(daemon: Daemon, row: RouteRow): Promise<void> {
  const { path, body, method = "POST", headers = {}, status, json, told = {} } = row;
  const what = `${method} ${path} ${JSON.stringify(body)} ${JSON.stringify(headers)}`;
  const reply = await send(`${daemon.url}${path}`, body, { method, headers });
  assertEquals(reply.status, status, `${what}: ${reply.text}`);
  if (json) assertEquals(only(reply.json as Members, json), json, what);
  if (status >= 400 && status !== 422) assertEquals(typeof (reply.json as Members).message, "string", what);
  for (const [name, value] of Object.entries(told)) assertEquals(reply.headers.get(name), value, what);
}

/** Bodies at the limit and past it. */
async function checkBodySizes(daemon: Daemon): Promise<void> {
  const limit = 20 * 1024 * 1024;
  using raw = await openRaw(daemon.url);
  await raw.write(requestHead(`${daemon.url}${backend}`, limit + 1));
  const refused = await raw.readReply();
  assertEquals([refused?.status, (refused?.json as Members).statusCode], [413, 413]);
  // A whole trace in one text (D0), as large as a body may be.
  const [front, back] = [`{"entries":[{"request":{"rid":"R","trace":"[`, `1]"}}]}`];
  const event = `{\\"fn\\":\\"${"x".repeat(9_980)}\\"},`;
  const count = Math.floor((limit - front.length - back.length) / event.length);
  const blanks = " ".repeat(limit - front.length - back.length - count * event.length);
  const body = front + event.repeat(count) + blanks + back;
  assertEquals(body.length, limit);
  const { status, json } = await send(`${daemon.url}/v1/sessions/S3/backend`, body);
  assertEquals([status, json], [201, { ok: true, accepted: 1, rejected: [] }]);
  const { events } = await get(daemon, "/v1/sessions/S3/requests/R");
  assertEquals([events.length, events.at(-2).fn.length, events.at(-1)], [count + 1, 9_980, 1]);
}

/** Begin, events, finish: what they answer, and what is read of them. */
async function checkVisit(daemon: Daemon): Promise<void> {
  const before = Date.now();
  const begun = await send(`${daemon.url}/v1/sessions`, { clientTime: before - 5_000 });
  const { sessionId, clockOffsetMs } = begun.json as { sessionId: string; clockOffsetMs: number };
  assertMatch(sessionId, /^S_[0-9a-f-]{36}$/);
  assert(clockOffsetMs >= 5_000 && clockOffsetMs <= 5_000 + Date.now() - before);
  const t = Date.now();
  const events = [
    { type: "action", aid: "A1", t, label: "Pay" },
    {
      type: "net",
      rid: "R1",
      aid: "A1",
      t: t + 1,
      method: "POST",
      url: "/pay",
      status: 201,
      durMs: 3,
      key: "K",
    },
    { type: "rrweb", t: t + 2, data: { type: 3 } },
  ];
  const took = await send(`${daemon.url}/v1/sessions/${sessionId}/events`, { events });
  assertEquals([took.status, took.json], [201, { ok: true, accepted: 3, rejected: [] }]);
  const finished = await send(`${daemon.url}/v1/sessions/${sessionId}/finish`, { notes: "n" });
  const viewerUrl = `${daemon.url}/v1/sessions/${sessionId}/timeline`;
  assertEquals([finished.status, finished.json], [201, { viewerUrl }]);
  const { request } = await get(daemon, `/v1/sessions/${sessionId}/requests/R1`);
  assertEquals(request, { actionId: "A1", method: "POST", url: "/pay", status: 201, durMs: 3, key: "K" });
  const { ticks } = await get(daemon, `/v1/sessions/${sessionId}/timeline`);
  assertEquals(ticks.map(({ type }: Members) => type), ["visit", "action", "request", "visit"]);
}

/** With auth off an X-App-Id is a name, and each sees its own. */
async function checkApps(daemon: Daemon): Promise<void> {
  const apps: [Record<string, string>, string][] = [
    [{}, "default"],
    [{ "x-app-id": "shop", "x-app-secret": "any" }, "shop"],
    [{ "x-app-id": "mail" }, "mail"],
  ];
  for (const [headers, name] of apps) {
    const own = { entries: [{ rid: name, trace: [name], index: 0 }] };
    assertEquals((await send(`${daemon.url}/v1/sessions/S4/backend`, own, { headers })).status, 201);
  }
  for (const [headers, name] of apps) {
    const { json } = await send(`${daemon.url}/v1/sessions/S4/traces`, undefined, { headers });
    assertEquals(json, {
      sessionId: "S4",
      items: [{
        key: null,
        traces: [{
          ...{ requestRid: name, request: null, missing: [], complete: false },
          batches: [{ traceId: `${name}:0`, batchIndex: 0, trace: [name] }],
        }],
      }],
    });
  }
}

/** The arrival stands for a time that was not sent, or is none. */
async function checkTimeless(daemon: Daemon): Promise<void> {
  const times = [undefined, null, "", "soon", {}, -1];
  const entries = times.map((t, i) => ({ t, rid: `R${i}`, trace: [i], db: [{ collection: "c", after: i }] }));
  const before = Date.now();
  assertEquals((await send(`${daemon.url}/v1/sessions/S5/backend`, { entries })).status, 201);
  const after = Date.now();
  const { ticks } = await get(daemon, "/v1/sessions/S5/timeline");
  assertEquals(ticks.length, 2 * times.length);
  for (const { t, type } of ticks) assert(t >= before && t <= after, `${type} at ${t}`);
}

Deno.test("Contract sections 1, 2 and 3: every row of the tables reads as it says, before a flush, after a crash, from parts", async (t) => {
  await using daemon = await startDaemon({ config: { flush: { interval_ms: 3_600_000 } } });
  const numbered = Object.entries(tables).map(([name, rows], table) =>
    [name, rows.map((row, i): [string, TableRow] => [`T${table}-${i}`, row])] as const
  );
  await t.step(`1 routes: ${routeRows.length} rows`, async () => {
    for (const row of routeRows) await checkRoute(daemon, row);
  });
  await t.step("1 size of a body", () => checkBodySizes(daemon));
  await t.step("1 sessions of pages", () => checkVisit(daemon));
  await t.step("1 apps without auth", () => checkApps(daemon));
  await t.step("2 entries without a time", () => checkTimeless(daemon));
  for (const [name, rows] of numbered) {
    await t.step(`${name}: ${rows.length} rows`, async () => {
      await forEachRow(rows, async (sid, row) => {
        await sendRow(daemon, sid, row);
        await checkRow(daemon, sid, row);
      });
    });
  }
  await t.step("all of it after a crash", async () => {
    await daemon.restart();
    await forEachRow(numbered.flatMap(([, rows]) => rows), (sid, row) => checkRow(daemon, sid, row));
  });
  await t.step("all of it from parts", async () => {
    await flush(daemon);
    await forEachRow(numbered.flatMap(([, rows]) => rows), (sid, row) => checkRow(daemon, sid, row));
  });
  await t.step("entries that come one by one, with flushes between", async () => {
    const names = ["2.3 fallbacks", "2.5 db", "2.6 email", "3 semantics"];
    const late = names.flatMap((name) =>
      tables[name].map((row, i): [string, TableRow] => [`late-${name.replaceAll(" ", "-")}-${i}`, row])
    )
      .filter(([, { entries }]) => entries.length <= 4);
    await sendLate(daemon, late);
    await forEachRow(late, (sid, row) => checkRow(daemon, sid, row));
  });
});
