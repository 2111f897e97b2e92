/**
 * Reading what is stored of a project over HTTP: events, sessions; flushed or not.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { type Reply, send } from "../support/http.ts";
import { chrome, event, flush, postBatch, postOne } from "./track_requests.ts";

type Row = Record<string, unknown>;

const hourMs = 3_600_000;

/** A row of the device `device`, so many ms ago. */
function at(name: string, agoMs: number, device = "device", more: Row = {}): Row {
  return event(name, {
    ...{ __deviceId: device, __timestamp: new Date(Date.now() - agoMs).toISOString(), ...more },
  });
}

async function ask(daemon: Daemon, query: string, headers: Record<string, string> = {}): Promise<Reply> {
  return await send(`${daemon.url}/v1/projects/default/events${query}`, undefined, { headers });
}

/** Names of the answered events, without those of sessions. */
async function names(daemon: Daemon, query: string): Promise<unknown[]> {
  const { status, json, text } = await ask(daemon, query);
  assertEquals(status, 200, text);
  return (json as { events: Row[] }).events
    .map(({ name }) => name)
    .filter((name) => name !== "session_start" && name !== "session_end");
}

for (const compression of ["none", "gzip", "zstd"]) {
  Deno.test(`Events are answered newest first, flushed or not (compression: ${compression})`, async () => {
    await using daemon = await startDaemon({ config: { flush: { compression, interval_ms: 3_600_000 } } });
    assertEquals((await ask(daemon, "")).json, { events: [] });
    await postBatch(daemon, [
      ...[at("a 30 h", 30 * hourMs), at("b 2 h", 2 * hourMs), at("c 50 h", 50 * hourMs)],
      ...Array.from(
        { length: 30 },
        // Further apart than the clock can go on between two of them.
        (_, i) => at(`filler ${i}`, 60 * hourMs + i * 1_000, "filler", { pad: "x".repeat(2_000) }),
      ),
    ]);
    await flush(daemon);
    await postBatch(daemon, [at("d 40 h", 40 * hourMs), at("e 1 h", hourMs, "other")]);
    await flush(daemon);
    await postBatch(daemon, [at("f 35 h", 35 * hourMs), at("g now", 10)]);
    const all = ["g now", "e 1 h", "b 2 h", "a 30 h", "f 35 h", "d 40 h", "c 50 h"];
    assertEquals(await names(daemon, "?from=" + (Date.now() - 55 * hourMs)), all);
    assertEquals((await names(daemon, "?limit=1000")).length, all.length + 30);
    assertEquals(await names(daemon, "?device=other"), ["e 1 h"]);
    const from = new Date(Date.now() - 36 * hourMs).toISOString();
    const to = new Date(Date.now() - 1.5 * hourMs).toISOString();
    assertEquals(await names(daemon, `?from=${from}&to=${to}`), ["b 2 h", "a 30 h", "f 35 h"]);
    const { json } = await ask(daemon, "?limit=3");
    const times = (json as { events: Row[] }).events.map(({ created_at }) => created_at as string);
    assertEquals([times.length, times], [3, times.toSorted().reverse()]);
    // A large reply comes in pieces, and is whole.
    const fillers = (await ask(daemon, "?device=filler&limit=500")).json as { events: Row[] };
    const filled = fillers.events.filter(({ name }) => String(name).startsWith("filler"));
    assertEquals(filled.map(({ name }) => name), Array.from({ length: 30 }, (_, i) => `filler ${i}`));
    assert(filled.every(({ properties }) => (properties as Row).pad === "x".repeat(2_000)));
  });
}

Deno.test("Events are answered as JSON or NDJSON, and what cannot be asked is refused", async () => {
  await using daemon = await startDaemon();
  await postBatch(daemon, [at("a", 10), at("b", 20)]);
  const ndjson = await ask(daemon, "?device=device", {
    accept: "application/x-ndjson, application/json;q=0.5",
  });
  assertEquals(ndjson.headers.get("content-type"), "application/x-ndjson");
  const lines = ndjson.text.split("\n");
  assertEquals(lines.pop(), "");
  const { json, headers } = await ask(daemon, "?device=device", { accept: "application/json" });
  assertEquals(headers.get("content-type"), "application/json; charset=utf-8");
  assertEquals(lines.map((line) => JSON.parse(line)), (json as { events: Row[] }).events);
  assertEquals((await ask(daemon, "?device=nobody", { accept: "application/x-ndjson" })).text, "");
  const page = await ask(daemon, "", { origin: "https://shop.example" });
  assertEquals([page.status, (page.json as Row).code], [403, "forbidden"]);
  for (const query of ["?limit=0", "?limit=10001", "?limit=x", "?limit=", "?from=yesterday", "?to=1e3"]) {
    const refused = await ask(daemon, query);
    assertEquals([refused.status, (refused.json as Row).code], [400, "validation"], query);
  }
});

Deno.test("A session is read while it is open and when it is over, with its events", async () => {
  await using daemon = await startDaemon({ config: { sessions: { timeout_ms: 1_000 } } });
  const headers = { "user-agent": chrome };
  const { json } = await postOne(
    daemon,
    event("screen_view", { __path: "https://shop.example/in" }),
    headers,
  );
  const { sessionId } = json as { sessionId: string };
  await postOne(daemon, event("screen_view", { __path: "https://shop.example/out" }), headers);
  const read = async (id: string, project = "default"): Promise<Reply> =>
    await send(`${daemon.url}/v1/projects/${project}/sessions/${encodeURIComponent(id)}`);
  const open = (await read(sessionId)).json as Row;
  const { kind, id, device_id, screen_view_count, is_bounce, entry_path, exit_path, version } = open;
  assertEquals({
    kind,
    id,
    device_id,
    screen_view_count,
    is_bounce,
    entry_path,
    exit_path,
    version,
    open: open.open,
  }, {
    ...{ kind: "session", id: sessionId, device_id: "device", screen_view_count: 2, is_bounce: false },
    ...{ entry_path: "/in", exit_path: "/out", version: 1, open: true },
  });
  const own = await names(daemon, `?session=${sessionId}`);
  assertEquals(own, ["screen_view", "screen_view"]);
  assertEquals((await read("no such session")).status, 404);
  assertEquals((await read(sessionId, "another")).status, 404);
  for (let tries = 0;; tries++) {
    const { open } = (await read(sessionId)).json as Row;
    if (open === false) break;
    assert(tries < 200, "the session does not end");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await flush(daemon);
  assertEquals({ ...(await read(sessionId)).json as Row, ended_at: "" }, {
    ...open,
    open: false,
    ended_at: "",
  });
});

Deno.test("Only a secret opens what a project has stored, and only its own", async () => {
  const id = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;
  const secret = (n: number): string => `sec_0123456789abcdef012${n}`;
  await using daemon = await startDaemon({
    config: {
      auth: {
        enabled: true,
        clients: [
          {
            id: id(1),
            secret: secret(1),
            project: "shop",
            cors_origins: ["*"],
            ignore_cors_and_secret: true,
          },
          { id: id(2), secret: secret(2), project: "other" },
        ],
      },
    },
  });
  const headersOf = (n: number, sent?: string): Record<string, string> => ({
    ...{ "openpanel-client-id": id(n), origin: "https://shop.example" },
    ...(sent === undefined ? {} : { "openpanel-client-secret": sent }),
  });
  const identify = { type: "identify", payload: { profileId: "a/b c", firstName: "Ada" } };
  assertEquals((await postOne(daemon, identify, headersOf(1))).status, 200);
  const paths = ["profiles/a%2Fb%20c", "groups/g", "sessions/s", "events"];
  for (const path of paths) {
    const read = async (headers: Record<string, string>): Promise<[number, unknown]> => {
      const { status, json } = await send(`${daemon.url}/v1/projects/shop/${path}`, undefined, { headers });
      return [status, (json as Row).code];
    };
    assertEquals(await read({}), [401, "unauthorized"]);
    assertEquals(await read(headersOf(1)), [401, "unauthorized"]);
    assertEquals(await read(headersOf(1, secret(2))), [401, "unauthorized"]);
    assertEquals(await read(headersOf(2, secret(2))), [403, "forbidden"]);
    const isKnown = path.startsWith("profiles") || path === "events";
    assertEquals(await read(headersOf(1, secret(1))), isKnown ? [200, undefined] : [404, "not_found"]);
  }
});
