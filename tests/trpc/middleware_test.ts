/**
 * What is particular to the middlewares: when bodies are read, what other parsers left, and what is passed on.
 */

import { gzipSync } from "node:zlib";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { assert, assertEquals, assertRejects } from "@std/assert";
import express from "express";
import { normalizeExpress, normalizeFetch, type TrpcMiddlewareOptions } from "../../src/trpc/mod.ts";
import { openRaw, type RawConnection, requestHead, send } from "../support/http.ts";
import { startExpressServer, startFetchServer } from "./servers.ts";

const C = { username: "m", password: "correct horse" };

// deno-lint-ignore no-explicit-any -- express has no types of its own
type App = any;

/** An app that answers with the body it was given, after the middleware. */
async function echoApp(
  options: TrpcMiddlewareOptions,
  before: (app: App) => void = () => {},
): Promise<{ url: string } & AsyncDisposable> {
  const app: App = express();
  before(app);
  app.use("/t", normalizeExpress(options), (request: App, response: App) => {
    response.json({ body: request.body === undefined ? "none" : request.body, url: request.url });
  });
  const server: Server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/t`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function writeSlowly(raw: RawConnection, text: string): Promise<void> {
  for (const char of text) {
    await raw.write(char);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

Deno.test("normalizeExpress() loses no byte of a body that comes byte by byte", async () => {
  for (const version of [10, 11] as const) {
    await using server = await startExpressServer({ version, transformer: "none" }, { rules: {} });
    const body = JSON.stringify([C]);
    using raw = await openRaw(server.url);
    const url = `${server.url}/login?batch=1`;
    await raw.write(requestHead(url, body.length));
    await writeSlowly(raw, body);
    assertEquals((await raw.readReply())?.status, 200);
  }
});

Deno.test("normalizeExpress() takes what other parsers left", async () => {
  const parsers: [string, App][] = [
    ["json", express.json()],
    ["text", express.text({ type: "application/json" })],
    ["raw", express.raw({ type: "application/json" })],
  ];
  for (const [name, parser] of parsers) {
    await using app = await echoApp({}, (app) => app.use(parser));
    const { json } = await send(`${app.url}/p?batch=1`, [C]);
    assertEquals((json as { body: unknown }).body, { 0: C }, name);
  }
});

Deno.test("normalizeExpress() lets a parser after it have the body", async () => {
  const app: App = express();
  app.use(
    "/t",
    normalizeExpress(),
    express.json(),
    (request: App, response: App) => response.json(request.body),
  );
  const server: Server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { json } = await send(`http://127.0.0.1:${(server.address() as AddressInfo).port}/t/p?batch=1`, [C]);
  assertEquals(json, { 0: C });
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("normalizeExpress() sees no body in the {} that a parser makes of none", async () => {
  const emptied = (request: App, _: App, next: () => void): void => {
    request.body = {};
    next();
  };
  await using app = await echoApp({}, (app) => app.use(emptied));
  const { json } = await send(`${app.url}/p`, "");
  assertEquals((json as { body: unknown }).body, "none");
  const batch = await send(`${app.url}/p?batch=1`, "");
  assertEquals((batch.json as { body: unknown }).body, {});
});

Deno.test("normalizeExpress() leaves other bodies and other methods unread", async () => {
  const app: App = express();
  app.use("/t", normalizeExpress(), (request: App, response: App) => {
    let bytes = 0;
    request.on("data", (chunk: Uint8Array) => bytes += chunk.length);
    request.on("end", () => response.json({ bytes }));
  });
  const server: Server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/t/p`;
  for (const method of ["POST", "PUT"]) {
    const headers = { "content-type": method === "PUT" ? "application/json" : "application/octet-stream" };
    assertEquals((await send(url, new Uint8Array(5_000), { method, headers })).json, { bytes: 5_000 });
  }
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("both middlewares refuse in tRPC's shape: too large, coded wrongly, too many calls", async () => {
  const rules = { maxBodyBytes: 1_000, maxCalls: 2 };
  const kind = { version: 11, transformer: "none" } as const;
  await using fetchServer = startFetchServer(kind, { rules });
  await using expressServer = await startExpressServer(kind, { rules });
  const coded = (coding: string): Record<string, string> => ({
    "content-type": "application/json",
    "content-encoding": coding,
  });
  for (const { url } of [fetchServer, expressServer]) {
    const codeOf = async (path: string, body: unknown, headers?: Record<string, string>): Promise<string> => {
      const { status, json } = await send(`${url}/${path}`, body, { headers });
      const [{ error }] = json as [{ error: { data: { code: string; httpStatus: number } } }];
      assertEquals(error.data.httpStatus, status);
      return error.data.code;
    };
    const large = `{"0":"${"x".repeat(1_000)}"}`;
    assertEquals(await codeOf("echo?batch=1", large), "PAYLOAD_TOO_LARGE");
    assertEquals(await codeOf("echo?batch=1", new Blob([large]).stream()), "PAYLOAD_TOO_LARGE");
    assertEquals(await codeOf("echo?batch=1", gzipSync(large), coded("gzip")), "PAYLOAD_TOO_LARGE");
    assertEquals(await codeOf("echo?batch=1", "x", coded("gzip")), "BAD_REQUEST");
    assertEquals(await codeOf("echo?batch=1", "x", coded("lzw")), "UNSUPPORTED_MEDIA_TYPE");
    assertEquals(await codeOf("a,b,c?batch=1", "{}"), "BAD_REQUEST");
    assertEquals(await codeOf("echo,echo?batch=1", `{"input":1}`), "BAD_REQUEST");
    const unzipped = await send(`${url}/echo?batch=1`, gzipSync(`{"0":1}`), { headers: coded("gzip") });
    assertEquals([unzipped.json, unzipped.headers.get("weir-trpc-normalized")], [
      [{ result: { data: 1 } }],
      "decoded",
    ]);
  }
});

Deno.test("normalizeExpress() calls nobody when the client goes away within the body", async () => {
  let called = false;
  const refused = Promise.withResolvers<string>();
  const onAction: TrpcMiddlewareOptions["onAction"] = (done) =>
    refused.resolve(done.action === "refused" ? done.reason : done.action);
  const app: App = express();
  app.use("/t", normalizeExpress({ onAction }), () => called = true);
  const server: Server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/t/p?batch=1`;
  const raw = await openRaw(url);
  await raw.write(requestHead(url, 100) + `{"0":`);
  raw.close();
  assertEquals(await refused.promise, "The body was cut off");
  assert(!called);
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("normalizeFetch() hands on what it need not look at as the very same request", async () => {
  const requests = [
    new Request("http://x/api/me?batch=1&input=%7B%7D"),
    new Request("http://x/elsewhere", {
      method: "POST",
      body: "[1]",
      headers: { "content-type": "application/json" },
    }),
    new Request("http://x/api/bytes", {
      method: "POST",
      body: "x",
      headers: { "content-type": "application/octet-stream" },
    }),
  ];
  for (const request of requests) {
    const handler = normalizeFetch((given: Request) => new Response(String(given === request)), {
      endpoint: "/api",
    });
    assertEquals(await (await handler(request)).text(), "true");
  }
});

Deno.test("normalizeFetch() passes on signal, headers and further arguments, and what the handler throws", async () => {
  const abort = new AbortController();
  const request = new Request("http://x/api/p?batch=1", {
    method: "POST",
    body: "[1]",
    headers: { "content-type": "application/json", "authorization": "Bearer t" },
    signal: abort.signal,
  });
  const handler = normalizeFetch(async (given: Request, more: number) => {
    abort.abort();
    const { headers, signal } = given;
    return Response.json([await given.text(), headers.get("authorization"), signal.aborted, more]);
  }, { endpoint: "api/" });
  assertEquals(await (await handler(request, 7)).json(), [`{"0":1}`, "Bearer t", true, 7]);
  const failing = normalizeFetch(() => Promise.reject(new RangeError("mine")), { endpoint: "/api" });
  await assertRejects(() => failing(new Request("http://x/api/p")), RangeError, "mine");
});

Deno.test("weir/trpc needs nothing of the daemon and of Deno", async () => {
  const folder = new URL("../../src/trpc/", import.meta.url);
  const seen = new Set<string>();
  const visit = async (file: string): Promise<void> => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = await Deno.readTextFile(new URL(file, folder));
    assert(!/\bDeno\.|from "(?!\.\/)/.test(text), `${file} is not for everywhere`);
    for (const [, next] of text.matchAll(/from "\.\/([^"]+)"/g)) await visit(next);
  };
  await visit("mod.ts");
  assert(seen.size > 5);
});
