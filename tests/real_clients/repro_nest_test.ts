/**
 * The published `repro-nest`, unmodified, in an Express app under Node (contract `backend`, sections 4, 5 and
 * case 12): what it sent is what the daemon answers and what lies in the files.
 */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { type Call, CallTree } from "../../src/traces/call_tree.ts";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { readParts, readRows } from "../support/parts.ts";
import { type Relayed, startRelay } from "./relay.ts";
import { startTracedApp } from "./traced_app.ts";

/** The client sends a batch for every so many events. */
const eventsABatch = 100;
const patienceMs = 20_000;

interface TraceEvent {
  readonly type: "enter" | "exit";
  readonly fn: string;
  readonly threw?: boolean;
  readonly error?: { name: string };
  readonly returnValue?: unknown;
}

/** What the client sent of one request. */
interface Sent {
  // deno-lint-ignore no-explicit-any -- the client's own shape
  request: any;
  action: string;
  /** By index. */
  batches: TraceEvent[][];
  /** The totals that it declared with them. */
  totals: Set<number>;
}

/** What GET traces tells of one request. */
interface Told {
  readonly requestRid: string;
  readonly request: { key: string; durMs: number; status: number } | null;
  readonly missing: number[];
  readonly complete: boolean;
  readonly total?: number;
  readonly batches: { batchIndex: number; trace: TraceEvent[] }[];
}

type Credentials = Record<string, string>;

async function readSession(daemon: Daemon, sid: string, credentials: Credentials): Promise<Told[]> {
  const url = `${daemon.url}/v1/sessions/${sid}/traces`;
  const { status, json } = await send(url, undefined, { headers: credentials });
  assertEquals(status, 200);
  const { sessionId, items } = json as { sessionId: string; items: { key: string; traces: Told[] }[] };
  assertEquals(sessionId, sid);
  for (const { key, traces } of items) {
    traces.forEach(({ request }) => assertEquals(request?.key ?? null, key));
  }
  // Requests come by key, and in no order that a flush would keep.
  return items.flatMap(({ traces }) => traces).sort((a, b) => a.requestRid < b.requestRid ? -1 : 1);
}

/** Waits for the client: it sends when a request has been quiet for two seconds, and tells nobody. */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!await isSo()) {
    assertLess(performance.now(), deadline, `${what}: not within ${patienceMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function flush(daemon: Daemon): Promise<void> {
  assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
}

async function counted(daemon: Daemon, sample: RegExp): Promise<number> {
  const { text } = await send(`${daemon.adminUrl}/metrics`);
  return text.split("\n").filter((line) => sample.test(line))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** What went to a session, put together from what was seen on the wire, by request id. */
function sentTo(sid: string, seen: readonly Relayed[]): Map<string, Sent> {
  const sent = new Map<string, Sent>();
  for (const { path, body } of seen) {
    if (path !== `/v1/sessions/${sid}/backend`) continue;
    const [entry] = body.entries;
    const rid = entry.request?.rid ?? entry.traceBatch?.rid;
    if (rid === undefined) continue;
    const known: Sent = sent.get(rid) ??
      { request: undefined, action: entry.actionId, batches: [], totals: new Set() };
    sent.set(rid, known);
    if (entry.request) known.request = entry.request;
    if (!entry.traceBatch) continue;
    known.batches[entry.traceBatch.index] = JSON.parse(entry.trace);
    known.totals.add(entry.traceBatch.total);
  }
  return sent;
}

/**
 * Every call that begins ends, and not before. Looked at by function, not by span: where an async function awaits
 * in a loop, the client gives its end the number of another call of the same function.
 */
function assertBalanced(events: TraceEvent[]): void {
  const open = new Map<string, number>();
  for (const { type, fn } of events) {
    const depth = (open.get(fn) ?? 0) + (type === "enter" ? 1 : -1);
    assert(depth >= 0, `${fn} ends more often than it began`);
    open.set(fn, depth);
  }
  assertEquals([...open].filter(([, depth]) => depth > 0), [], "calls that never ended");
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** What a function returned, ascending, each value once: some calls are told by the client twice. */
function returnedBy(fn: string, events: TraceEvent[] = []): number[] {
  const exits = events.filter((event) => event.fn === fn && event.type === "exit");
  return [...new Set(exits.map(({ returnValue }) => returnValue as number))].sort((a, b) => a - b);
}

/** One call of the app's own functions. */
interface AppCall {
  readonly call: string;
  readonly threw: boolean;
  readonly calls: AppCall[];
}

/** Functions of the app that have names; what stands between them is the runtime's, Express's or nameless. */
const appFunctions = ["nest", "refuse", "lookUp", "addSlowly", "later", "square", "sumOf", "half"];

/**
 * What the app did, from the tree of calls: its own functions by their first argument. The client tells a call where it
 * is made and where it is defined, and a throw twice; here each is one.
 */
function appCalls(calls: readonly Call[]): AppCall[] {
  const found = calls.flatMap((call): AppCall[] => {
    const calls = appCalls(call.children);
    if (!appFunctions.includes(call.fn ?? "")) return calls;
    const [argument] = call.args as unknown[];
    const own = { call: `${call.fn}(${JSON.stringify(argument)})`, threw: call.state === "threw", calls };
    const [inner] = calls;
    return inner?.call === own.call ? [{ ...own, calls: [...inner.calls, ...calls.slice(1)] }] : [own];
  });
  return found.filter((each, i) =>
    !(each.threw && i > 0 && JSON.stringify(each) === JSON.stringify(found[i - 1]))
  );
}

function appCall(call: string, ...calls: AppCall[]): AppCall {
  return { call, threw: false, calls };
}

/** What the routes do, as their code says. */
function expectedCalls(): Map<string, AppCall[]> {
  const nested = numbers(31).reduce<AppCall[]>((inner, depth) => [appCall(`nest(${depth})`, ...inner)], []);
  const many = (count: number): AppCall[] => [
    appCall(`sumOf(${count})`, ...numbers(count).map((i) => appCall(`half(${i})`))),
  ];
  const lookUp = { call: `lookUp("soup")`, threw: true, calls: [] };
  return new Map([
    ["/nest/30", nested],
    ["/fail", [{ call: `refuse({"item":"soup"})`, threw: true, calls: [lookUp] }]],
    ["/wait", [appCall("addSlowly([1,2,3])", ...[1, 2, 3].map((i) => appCall(`later(${i})`)))]],
    ["/parallel", [4, 3, 2, 1].map((i) => appCall(`square(${i})`, appCall(`later(${i})`)))],
    ["/many?calls=600", many(600)],
    ["/many?calls=170", many(170)],
    ["/many?calls=180", many(180)],
  ]);
}

Deno.test("repro-nest: what an app traced is answered and filed whole, in order, and survives crash and restart", async () => {
  await using daemon = await startDaemon();
  await using relay = startRelay(daemon.url);
  const credentials = { "x-app-id": "checkout", "x-app-secret": "unused" };
  await using app = await startTracedApp({
    ...{ apiBase: relay.url, appId: "checkout", appSecret: "unused" },
  });
  const requests = [
    { session: "S1", action: "A1", path: "/nest/30" },
    { session: "S1", action: "A2", path: "/fail", body: { item: "soup" } },
    { session: "S1", action: "A3", path: "/wait" },
    { session: "S1", action: "A4", path: "/parallel" },
    { session: "S1", action: "A5", path: "/many?calls=600" },
    { session: "S1", action: "A6", path: "/orders", body: { item: "fish", count: 2 } },
    { session: "S2", action: "B1", path: "/many?calls=170" },
    { session: "S2", action: "B2", path: "/many?calls=180" },
    { path: "/many?calls=7" },
  ];
  const answers = await Promise.all(requests.map((request) => app.ask(request)));
  assertEquals(answers.map(({ status, json }) => [status, json]), [
    ...[[200, { reached: 30 }], [409, { error: "No “soup” today 🐟" }], [200, { total: 6 }]],
    ...[[200, [16, 9, 4, 1]], [200, { sum: 89_850 }], [201, { placed: "fish" }]],
    ...[[200, { sum: 7182.5 }], [200, { sum: 8055 }], [200, { sum: 10.5 }]],
  ]);

  const readAll = async (): Promise<Told[]> => [
    ...await readSession(daemon, "S1", credentials),
    ...await readSession(daemon, "S2", credentials),
  ];
  await until("eight requests are complete", async () => {
    const told = await readAll();
    return told.length === 8 && told.every(({ complete, request }) => complete && request !== null);
  });
  const told = await readAll();

  // On the wire: one entry a POST, each taken.
  for (const { path, status, reply, body, headers } of relay.seen) {
    assertMatch(path, /^\/v1\/sessions\/S[12]\/backend$/);
    assertEquals([status, reply], [201, { ok: true, accepted: 1, rejected: [] }]);
    assertEquals([body.entries.length, headers.get("x-app-id")], [1, "checkout"]);
  }

  // The reply: every batch that was sent, at its index, as it was sent.
  const sent = new Map([...sentTo("S1", relay.seen), ...sentTo("S2", relay.seen)]);
  assertEquals(told.map(({ requestRid }) => requestRid).toSorted(), [...sent.keys()].toSorted());
  const eventsOf = new Map<string, TraceEvent[]>();
  for (const { requestRid, request, batches, total, missing, complete } of told) {
    const { request: asSent, batches: batchesSent, totals } = sent.get(requestRid)!;
    const events = batchesSent.flat();
    const size = Math.ceil(events.length / eventsABatch);
    assertEquals([[...totals], total, missing, complete], [[size], size, [], true]);
    assertEquals(batches.map(({ batchIndex }) => batchIndex), numbers(size));
    assertEquals(batches.map(({ trace }) => trace), batchesSent);
    batches.slice(0, -1).forEach(({ trace }) => assertEquals(trace.length, eventsABatch));
    assertEquals(request, { key: asSent.key, durMs: asSent.durMs, status: asSent.status });
    assertBalanced(events);
    eventsOf.set(asSent.url, events);
  }

  // What the app did is what the traces say.
  assertEquals(returnedBy("nest", eventsOf.get("/nest/30")), numbers(31));
  assertEquals(returnedBy("later", eventsOf.get("/wait")), [1, 2, 3]);
  assertEquals(returnedBy("square", eventsOf.get("/parallel")), [1, 4, 9, 16]);
  for (const count of [600, 170, 180]) {
    const halves = returnedBy("half", eventsOf.get(`/many?calls=${count}`));
    assertEquals(halves, numbers(count).map((i) => i / 2));
  }
  const thrown = eventsOf.get("/fail")!.filter(({ threw }) => threw).map(({ fn, error }) =>
    `${fn} ${error?.name}`
  );
  assertEquals([...new Set(thrown)].slice(0, 2), ["lookUp RangeError", "refuse Error"]);

  // A crash leaves the answer as it was, and so does a flush.
  await daemon.kill9();
  await daemon.restart();
  assertEquals(await readAll(), told);
  await flush(daemon);
  assertEquals(await readAll(), told);

  // One request at a time: everything joined, and the calls are those that the code makes.
  const expected = expectedCalls();
  for (const { requestRid } of told) {
    const { request: asSent, action } = sent.get(requestRid)!;
    const sid = requests.find((each) => each.action === action)!.session;
    const path = `/v1/sessions/${sid}/requests/${requestRid}`;
    const { json } = await send(`${daemon.url}${path}`, undefined, { headers: credentials });
    const { request, events } = json as { request: { url: string; entryPoint: unknown }; events: unknown[] };
    assertEquals([request.url, request.entryPoint], [asSent.url, asSent.entryPoint]);
    const tree = new CallTree();
    for (const event of events) tree.push(event);
    const calls = tree.finish();
    if (expected.has(asSent.url)) assertEquals(appCalls(calls), expected.get(asSent.url), asSent.url);
    for (const { state } of calls) assert(state === "returned" || state === "threw", state);
  }

  // The files: a line a request.
  const parts = await readParts(daemon.dataDir, "traces");
  parts.forEach(({ partition }) => assertMatch(partition, /^traces\/app=checkout\/date=\d{4}-\d\d-\d\d$/));
  const rows = parts.flatMap(({ rows }) => rows);
  assertEquals(rows.map(({ rid }) => rid).toSorted(), [...sent.keys()].toSorted());
  for (const row of rows) {
    const { request, action, batches } = sent.get(row.rid as string)!;
    const asked = requests.find((each) => each.action === action)!;
    const { sid, action_id, method, url, status, key, dur_ms, resp_body, body, params, query } = row;
    assertEquals({ sid, action_id, method, url }, {
      ...{ sid: asked.session, action_id: action, method: asked.body ? "POST" : "GET", url: asked.path },
    });
    const answer = answers[requests.indexOf(asked)];
    assertEquals({ status, resp_body, body, key, dur_ms, params, query }, {
      ...{ status: answer.status, resp_body: answer.json, body: asked.body, key: request.key },
      ...{ dur_ms: request.durMs, params: request.params, query: request.query },
    });
    assertEquals(key, `${method} ${asked.path.split("?")[0]}`);
    assertEquals(row.headers, request.headers);
    assertEquals((row.headers as Record<string, string>).authorization, "[REDACTED]");
    assertEquals(row.entry_point, request.entryPoint);
    assertEquals((row.entry_point as { file: string }).file, `${app.folder}routes.cjs`);
    const { total, missing, complete, replaced } = row;
    assertEquals({ total, missing, complete, replaced }, {
      ...{ total: batches.length, missing: [], complete: true, replaced: 0 },
    });
    assertEquals(row.events, batches.flat());
  }

  // What the app wrote to its database, from an entry of its own.
  const changes = await readRows(daemon.dataDir, "changes");
  const entries = relay.seen.flatMap(({ body }) => body.entries);
  const [change] = entries.flatMap(({ db = [] }) => db);
  assertEquals(changes.length, 1);
  const { sid, action_id, collection, op, pk, before, after } = changes[0];
  assertEquals({ sid, action_id, collection, op, pk, before, after }, {
    ...{ sid: "S1", action_id: "A6", collection: "orders", op: "insert" },
    ...{ pk: change.pk, before: null, after: change.after },
  });

  // The next start has the parts, and an empty journal.
  assertEquals(await daemon.stop(), 0);
  await daemon.restart();
  assertEquals(await counted(daemon, /^weir_recovered_records_total/), 0);
  assertEquals(await readAll(), told);
});

Deno.test("repro-nest: credentials decide where an app's traces go, and the app never notices", async () => {
  const apps = [{ id: "checkout", secret: "right" }];
  await using daemon = await startDaemon({ config: { auth: { enabled: true, apps } } });
  const start = { apiBase: daemon.url, appId: "checkout" };
  await using right = await startTracedApp({ ...start, appSecret: "right" });
  await using wrong = await startTracedApp({ ...start, appSecret: "wrong" });
  const request = { session: "S1", action: "A1", path: "/wait" };
  const answers = await Promise.all([right.ask(request), wrong.ask(request)]);
  assertEquals(answers, [{ status: 200, json: { total: 6 } }, { status: 200, json: { total: 6 } }]);

  const credentials = { "x-app-id": "checkout", "x-app-secret": "right" };
  await until("one request is taken, and both POSTs of the other are refused", async () => {
    const told = await readSession(daemon, "S1", credentials);
    const refused = await counted(daemon, /^weir_requests_total\{.*status="403"/);
    return told.some(({ complete, request }) => complete && request !== null) && refused === 2;
  });
  await flush(daemon);
  const rows = await readRows(daemon.dataDir, "traces");
  assertEquals(rows.map(({ app, sid, complete, url }) => [app, sid, complete, url]), [
    ["checkout", "S1", true, "/wait"],
  ]);
  assertEquals((await send(`${daemon.url}/v1/sessions/S1/traces`)).status, 403);
});

Deno.test("repro-nest: without tracing, requests are filed with no events", async () => {
  await using daemon = await startDaemon();
  await using app = await startTracedApp({
    ...{ apiBase: daemon.url, appId: "checkout", appSecret: "unused", tracing: "off" },
  });
  await app.ask({ session: "S1", action: "A1", path: "/many?calls=9" });
  const credentials = { "x-app-id": "checkout" };
  await until(
    "the request is known",
    async () => (await readSession(daemon, "S1", credentials)).length === 1,
  );
  const [{ request, batches, total, complete }] = await readSession(daemon, "S1", credentials);
  assertEquals([request?.key, batches, total, complete], ["GET /many", [], undefined, false]);
  await flush(daemon);
  const rows = await readRows(daemon.dataDir, "traces");
  assertEquals(rows.map(({ url, status, events, batches }) => [url, status, events, batches]), [
    ["/many?calls=9", 200, [], []],
  ]);
});

Deno.test("repro-nest: a trace of more than 3.2 MB, which it sends all at once, lands whole at default limits", async () => {
  await using daemon = await startDaemon();
  const credentials = { "x-app-id": "checkout" };
  await using app = await startTracedApp({
    ...{ apiBase: daemon.url, appId: "checkout", appSecret: "unused" },
  });
  const calls = 6500;
  const answer = await app.ask({ session: "S1", action: "A1", path: `/many?calls=${calls}` });
  assertEquals(answer.json, { sum: calls * (calls - 1) / 4 });
  await until("the request is complete", async () => {
    const told = await readSession(daemon, "S1", credentials);
    return told.length === 1 && told[0].complete && told[0].request !== null;
  });
  const [{ total, missing, batches, request }] = await readSession(daemon, "S1", credentials);
  assertEquals([request?.status, missing, batches.length], [200, [], total]);
  const bytes = batches.reduce((sum, { trace }) => sum + JSON.stringify(trace).length, 0);
  assert(batches.length >= 128 && bytes >= 3_200_000, `${batches.length} batches of ${bytes} bytes`);
  const events = batches.flatMap(({ trace }) => trace);
  assertBalanced(events);
  assertEquals(returnedBy("half", events), numbers(calls).map((i) => i / 2));
  assertEquals(await counted(daemon, /^weir_requests_total\{.*status="201/), batches.length + 1);
  assertEquals(await counted(daemon, /^weir_requests_total\{.*status="[45]/), 0);
});
