import { assert, assertEquals, assertMatch } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import type { Log, LogFields, LogLevel } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { type Config, configSchema } from "../../src/config/schema.ts";
import type { Dialect, Inbound, IngestRoute } from "../../src/dialects/dialect.ts";
import type { House } from "../../src/receive/house.ts";
import { createRouter, type Fetch } from "../../src/receive/server.ts";

const arrivedAt = Date.UTC(2026, 10, 20);

interface Rig {
  fetch: Fetch;
  config: Config;
  readonly logged: { level: LogLevel; message: string; fields: LogFields }[];
  /** What the handlers saw last. */
  inbound(): Inbound;
  metrics(): Promise<string>;
}

/** A router: POST /things/:id and POST /plain answer or throw what `answer` says, GET /things/:id lists. */
function rig(answer: () => Response | Promise<Response> = () => new Response("taken", { status: 202 })): Rig {
  const metrics = createMetrics();
  const logged: Rig["logged"] = [];
  const line = (level: LogLevel) => (message: string, fields: LogFields = {}): void =>
    void logged.push({ level, message, fields });
  const log: Log = {
    error: line("error"),
    warn: line("warn"),
    info: line("info"),
    debug: line("debug"),
    setLevel: () => {},
  };
  let seen: Inbound | undefined;
  const ingest: IngestRoute = {
    method: "POST",
    path: "/things/:id",
    shape: () => ({ rowsKey: "rows", single: false, ndjson: false, maxBytes: 1, maxRows: 1 }),
    open: () => {
      throw new Error("the pipeline opens");
    },
  };
  const dialect: Dialect = {
    name: "things",
    ingest: [ingest, { ...ingest, path: "/plain" }],
    read: [{
      method: "GET",
      path: "/things/:id",
      answer: (inbound) => {
        seen = inbound;
        return new Response("listed");
      },
    }],
    errorBody: ({ status, code }) => ({ status, word: code }),
  };
  const made = { config: configSchema.parse({}) };
  const house = {
    clock: { now: () => arrivedAt, monotonic: () => 0 },
    log,
    metrics,
    get config() {
      return made.config;
    },
  } as unknown as House;
  const fetch = createRouter({
    dialects: [dialect],
    house,
    ingest: async (_, __, { inbound }) => {
      seen = inbound;
      return await answer();
    },
  });
  return {
    fetch,
    get config() {
      return made.config;
    },
    set config(config) {
      made.config = config;
    },
    logged,
    inbound: () => seen!,
    metrics: () => metrics.registry.metrics(),
  };
}

async function ask(
  { fetch }: Rig,
  path: string,
  init: RequestInit = {},
  remote = "127.0.0.1",
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(new Request(`http://127.0.0.1:7400${path}`, init), remote);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

Deno.test("createRouter() leads each method of a path to its own route", async () => {
  const made = rig();
  assertEquals((await ask(made, "/things/7", { method: "POST" })).text, "taken");
  assertEquals((await ask(made, "/things/7")).text, "listed");
  const head = await ask(made, "/things/7", { method: "HEAD" });
  assertEquals([head.status, head.text], [200, ""]);
});

Deno.test("createRouter() leads to a route without parameters by its path, and only by that", async () => {
  const made = rig();
  for (const path of ["/plain", "/plain?x=/plain", "/pl%61in"]) {
    assertEquals((await ask(made, path, { method: "POST" })).text, "taken");
    assertEquals(made.inbound().params, {});
  }
  for (const path of ["/plain/", "/PLAIN", "/?/plain", "/plain%3Fx"]) {
    assertEquals((await ask(made, path, { method: "POST" })).status, 404, path);
  }
  const other = await ask(made, "/plain");
  assertEquals([other.status, other.headers.get("allow")], [405, "POST"]);
  const headers = { origin: "https://shop.example" };
  const page = await ask(made, "/plain", { method: "POST", headers });
  assertEquals(page.headers.get("access-control-allow-origin"), "*");
});

Deno.test("createRouter() gives a handler what it must know of a request", async () => {
  const made = rig();
  await ask(made, "/things/a%2Fb?x=1", {
    method: "POST",
    headers: { "openpanel-client-ip": "203.0.113.9", "request-id": "req-1" },
  });
  const { method, url, params, clientIp, requestId, arrivedAt: at } = made.inbound();
  assertEquals([method, url.pathname, url.search, params.id], ["POST", "/things/a%2Fb", "?x=1", "a/b"]);
  assertEquals([clientIp, requestId, at], ["203.0.113.9", "req-1", arrivedAt]);
});

Deno.test("createRouter() believes headers of proxies that are trusted at this moment", async () => {
  const made = rig();
  const init = { headers: { "x-real-ip": "203.0.113.9" } };
  const seenFrom = async (remote: string): Promise<string> => {
    await ask(made, "/things/1", init, remote);
    return made.inbound().clientIp;
  };
  assertEquals([await seenFrom("127.0.0.1"), await seenFrom("198.51.100.7")], ["203.0.113.9", ""]);
  made.config = configSchema.parse({ server: { trusted_proxies: ["198.51.100.0/24"] } });
  assertEquals([await seenFrom("127.0.0.1"), await seenFrom("198.51.100.7")], ["", "203.0.113.9"]);
});

Deno.test("createRouter() makes a request id of its own where none is fit for a log line", async () => {
  const made = rig();
  const ids = new Set<string>();
  for (const sent of [undefined, "", "a b", "x".repeat(129), 'in"ject', "é"]) {
    await ask(made, "/things/1", { headers: sent === undefined ? {} : { "request-id": sent } });
    assertMatch(made.inbound().requestId, /^[0-9a-z]{8}$/);
    ids.add(made.inbound().requestId);
  }
  assertEquals(ids.size, 6);
});

Deno.test("createRouter() answers unknown paths with 404 and unknown methods with 405", async () => {
  const made = rig();
  for (
    const path of ["/", "/things", "/things/", "/things/1/", "/THINGS/1", "/../etc/passwd", "/%00", "/%ff"]
  ) {
    for (const method of ["GET", "POST", "DELETE"]) {
      const reply = await ask(made, path, { method });
      assertEquals([reply.status, JSON.parse(reply.text).code], [404, "not_found"], `${method} ${path}`);
    }
  }
  for (const method of ["PUT", "PATCH", "DELETE"]) {
    const reply = await ask(made, "/things/1", { method });
    assertEquals([reply.status, reply.headers.get("allow")], [405, "GET, HEAD, POST"]);
    assertEquals(JSON.parse(reply.text), { status: 405, word: "method_not_allowed" });
  }
});

Deno.test("createRouter() answers an error in the dialect's words, and logs it without the path", async () => {
  const made = rig(() => {
    throw new WeirError("overloaded", "Busy", { retryAfterS: 3 });
  });
  const reply = await ask(made, "/things/secret?key=secret", {
    method: "POST",
    headers: { "request-id": "r-1" },
  });
  assertEquals([reply.status, JSON.parse(reply.text)], [503, { status: 503, word: "overloaded" }]);
  assertEquals([reply.headers.get("retry-after"), reply.headers.get("request-id")], ["3", "r-1"]);
  assertEquals(made.logged, [{
    level: "warn",
    message: "Request refused",
    fields: {
      dialect: "things",
      route: "/things/:id",
      method: "POST",
      code: "overloaded",
      status: 503,
      request_id: "r-1",
    },
  }]);
});

Deno.test("createRouter() says nothing outside of an error that is a bug, and all of it in the log", async () => {
  const made = rig(() => Promise.reject(new TypeError("secret /data/weir/x", { cause: "why" })));
  const reply = await ask(made, "/things/1", { method: "POST" });
  assertEquals([reply.status, JSON.parse(reply.text)], [500, { status: 500, word: "internal" }]);
  const [{ level, fields }] = made.logged;
  assertEquals([level, fields.error], ["error", "TypeError: secret x; because of why"]);
});

Deno.test("createRouter() adds CORS headers to every reply, errors too, and answers preflights", async () => {
  const made = rig();
  const headers = { origin: "https://shop.example" };
  for (const [path, method] of [["/things/1", "POST"], ["/things/1", "PUT"], ["/nowhere", "GET"]]) {
    assertEquals(
      (await ask(made, path, { method, headers })).headers.get("access-control-allow-origin"),
      "*",
    );
  }
  const preflight = await ask(made, "/things/1", { method: "OPTIONS", headers });
  assertEquals([preflight.status, preflight.headers.get("access-control-max-age")], [204, "604800"]);
  made.config = configSchema.parse({ server: { cors_origins: ["https://other.example"] } });
  const refused = await ask(made, "/things/1", { method: "POST", headers });
  assertEquals([refused.status, refused.headers.get("access-control-allow-origin")], [202, null]);
});

Deno.test("createRouter() counts requests by route and status, never by path", async () => {
  let status = 202;
  const made = rig(() => new Response(null, { status }));
  for (const id of ["a", "b", "c"]) await ask(made, `/things/${id}`, { method: "POST" });
  status = 400;
  await ask(made, "/things/d", { method: "POST" });
  await ask(made, "/nowhere/secret");
  const text = await made.metrics();
  assert(text.includes('weir_requests_total{dialect="things",route="/things/:id",status="202"} 3'));
  assert(text.includes('weir_requests_total{dialect="things",route="/things/:id",status="400"} 1'));
  assert(text.includes('weir_request_seconds_count{dialect="things"} 4'));
  assert(!text.includes("secret"));
});
