/**
 * The proxy as a proxy: what it does with sizes, codings, streams, headers, routes and a stop.
 */

import { gzipSync } from "node:zlib";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { startDaemon } from "../support/daemon.ts";
import { openRaw, requestHead, send } from "../support/http.ts";
import { jsonReply, startRawUpstream } from "../trpc/raw_upstream.ts";
import { codesOf, json, miB, prefix, proxyTo, proxyToRaw, proxyToReal } from "./trpc_proxied.ts";

Deno.test("a body of 8 MB passes unchanged, and one over the limit is refused in tRPC's shape", async () => {
  await using proxied = await proxyToReal({ max_body_bytes: "8MiB" });
  const text = (bytes: number): string => `{"0":"${"x".repeat(bytes - 8)}"}`;
  const fits = await send(`${proxied.url}/permissive?batch=1`, text(8 * miB));
  assertEquals(fits.status, 200);
  assertEquals(proxied.upstream.arrived[0].body.length, 8 * miB);
  proxied.upstream.arrived.length = 0;

  const announced = await send(`${proxied.url}/echo,echoToo?batch=1`, text(8 * miB + 1));
  assertEquals([announced.status, codesOf(announced.json)], [413, [
    "PAYLOAD_TOO_LARGE",
    "PAYLOAD_TOO_LARGE",
  ]]);
  for (const type of ["application/json", "application/octet-stream"]) {
    const chunks = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start(controller): void {
        for (let i = 0; i < 9; i++) controller.enqueue(new Uint8Array(miB).fill(0x20));
        controller.close();
      },
    });
    const chunked = await send(`${proxied.url}/echo`, chunks, { headers: { "content-type": type } });
    assertEquals([chunked.status, codesOf(chunked.json)], [413, ["PAYLOAD_TOO_LARGE"]]);
  }
  assertEquals(proxied.upstream.arrived, []);
});

Deno.test("a body with a content coding is undone, counted decoded, and told", async () => {
  await using proxied = await proxyToReal({ max_body_bytes: "1MiB" });
  const headers = { ...json, "content-encoding": "gzip" };
  const reply = await send(`${proxied.url}/echo?batch=1`, gzipSync(`{"0":{"a":1}}`), { headers });
  assertEquals([reply.status, reply.json], [200, [{ result: { data: { a: 1 } } }]]);
  assertEquals(reply.headers.get("weir-trpc-normalized"), "decoded");
  assertEquals(proxied.upstream.arrived[0].headers.get("content-encoding"), null);
  const bomb = await send(`${proxied.url}/echo?batch=1`, gzipSync(new Uint8Array(2 * miB).fill(0x20)), {
    headers,
  });
  assertEquals([bomb.status, codesOf(bomb.json)], [413, ["PAYLOAD_TOO_LARGE"]]);
  const broken = await send(`${proxied.url}/echo?batch=1`, "no gzip", { headers });
  assertEquals([broken.status, codesOf(broken.json)], [400, ["BAD_REQUEST"]]);
  const unknown = await send(`${proxied.url}/echo?batch=1`, "x", {
    headers: { ...json, "content-encoding": "lzw" },
  });
  assertEquals([unknown.status, codesOf(unknown.json)], [415, ["UNSUPPORTED_MEDIA_TYPE"]]);
});

Deno.test("multipart and octet-stream bodies pass byte for byte", async () => {
  await using proxied = await proxyToReal();
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const octets = await send(`${proxied.url}/bytes`, bytes, {
    headers: { "content-type": "application/octet-stream" },
  });
  assertEquals(octets.json, { result: { data: 60_000 } });
  assertEquals(proxied.upstream.arrived[0].body, bytes);
  const form = new FormData();
  form.set("file", new Blob([bytes]), "a.bin");
  form.set("input", "{}");
  const response = await fetch(`${proxied.url}/form`, { method: "POST", body: form });
  assertEquals(await response.json(), { result: { data: ["file", "input"] } });
});

Deno.test("an opaque body reaches the upstream while it still arrives", async () => {
  const firstBytes = Promise.withResolvers<void>();
  await using proxied = await proxyToRaw(async (peer) => {
    const request = peer.nextRequest();
    firstBytes.resolve();
    await request;
    await peer.write(jsonReply("{}"));
  });
  using raw = await openRaw(proxied.url);
  await raw.write(
    requestHead(`${proxied.url}/bytes`, 10, { "content-type": "application/octet-stream" }) + "12345",
  );
  await firstBytes.promise;
  await raw.write("67890");
  assertEquals((await raw.readReply())?.status, 200);
});

Deno.test("a gzip reply passes with its coding, and decodes", async () => {
  const zipped = gzipSync(`[{"result":{"data":"${"x".repeat(500)}"}}]`);
  const head = `HTTP/1.1 207 Multi\r\ncontent-encoding: gzip\r\ncontent-length: ${zipped.length}\r\n` +
    "set-cookie: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\nset-cookie: b=2\r\n\r\n";
  const bytes = new Uint8Array([...new TextEncoder().encode(head), ...zipped]);
  let accepted: string | undefined;
  await using proxied = await proxyToRaw(async (peer) => {
    for (let request = await peer.nextRequest(); request !== undefined; request = await peer.nextRequest()) {
      accepted = /accept-encoding: (.*)\r\n/.exec(request)?.[1];
      await peer.write(bytes);
    }
  });
  const response = await fetch(`${proxied.url}/p?batch=1`, { headers: { "accept-encoding": "gzip, br" } });
  assertEquals(response.status, 207);
  assertEquals(response.headers.getSetCookie(), ["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"]);
  assertEquals(accepted, "gzip, br");
  assertEquals((await response.json())[0].result.data.length, 500);
  // As sent, where nobody undoes it on the way.
  const raw = await fetch(`${proxied.url}/p?batch=1`, { headers: { "accept-encoding": "identity" } });
  assertEquals(await raw.bytes(), new Uint8Array(zipped));
  assertEquals(raw.headers.get("content-encoding"), "gzip");
});

Deno.test("a reply streams while the upstream still writes it", async () => {
  const readFirst = Promise.withResolvers<void>();
  await using proxied = await proxyToRaw(async (peer) => {
    await peer.nextRequest();
    await peer.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nvary: trpc-accept, accept\r\n");
    await peer.write('transfer-encoding: chunked\r\n\r\n5\r\n{"0":\r\n');
    await readFirst.promise;
    await peer.write("2\r\n1}\r\n0\r\n\r\n");
  });
  const response = await fetch(`${proxied.url}/p?batch=1`, {
    headers: { "trpc-accept": "application/jsonl" },
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const { value } = await reader.read();
  assertEquals(new TextDecoder().decode(value), `{"0":`);
  readFirst.resolve();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "1}");
  assertEquals((await reader.read()).done, true);
});

Deno.test("methods without a look answer as the server does", async () => {
  await using proxied = await proxyToReal();
  for (const method of ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    const [direct, through] = await Promise.all([proxied.upstream.url, proxied.url].map(async (url) => {
      const response = await fetch(`${url}/echo`, { method });
      return { status: response.status, allow: response.headers.get("allow"), body: await response.text() };
    }));
    assertEquals(through, direct, method);
  }
  const wrongWay = await send(`${proxied.url}/echo?input=1`);
  assertEquals([wrongWay.status, wrongWay.headers.get("allow")], [405, "POST"]);
  const mixed = await send(`${proxied.url}/echo,me?batch=1`, `{"0":1}`);
  assertEquals([mixed.status, codesOf(mixed.json)], [400, ["BAD_REQUEST"]]);
});

Deno.test("headers of one hop stay behind, and the upstream is told for whom it works", async () => {
  const seen: string[] = [];
  await using proxied = await proxyToRaw(async (peer) => {
    for (let request = await peer.nextRequest(); request !== undefined; request = await peer.nextRequest()) {
      seen.push(request);
      await peer.write(
        "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-inner\r\nx-inner: 1\r\nkeep-alive: timeout=5\r\n" +
          "proxy-authenticate: Basic\r\nx-outer: 2\r\ncontent-length: 2\r\n\r\n{}",
      );
    }
  });
  using raw = await openRaw(proxied.url);
  await raw.write(
    `GET ${prefix}/me HTTP/1.1\r\nhost: shop.example\r\nconnection: keep-alive, x-mine\r\nx-mine: 1\r\nte: trailers\r\n` +
      "upgrade: websocket\r\nproxy-authorization: Basic eA==\r\nx-forwarded-for: 203.0.113.9\r\n" +
      "x-forwarded-proto: https\r\ncookie: sid=1\r\nauthorization: Bearer t\r\n\r\n",
  );
  const reply = await raw.readReply();
  const host = new URL(proxied.upstream.origin).host;
  assertEquals(seen[0].trim().split("\r\n").toSorted(), [
    `GET ${prefix}/me HTTP/1.1`,
    "authorization: Bearer t",
    "cookie: sid=1",
    `host: ${host}`,
    "x-forwarded-for: 203.0.113.9, 127.0.0.1",
    "x-forwarded-host: shop.example",
    "x-forwarded-proto: https",
  ]);
  for (const name of ["x-inner", "keep-alive", "proxy-authenticate"]) {
    assertEquals(reply?.headers.get(name), null);
  }
  assertEquals(reply?.headers.get("x-outer"), "2");
});

Deno.test("what a client says of itself is not passed on where it is no trusted proxy", async () => {
  let seen = "";
  await using upstream = startRawUpstream(async (peer) => {
    seen = await peer.nextRequest() ?? "";
    await peer.write(jsonReply("{}"));
  });
  await using daemon = await startDaemon({
    config: { server: { trusted_proxies: [] }, trpc: { routes: [{ prefix, upstream: upstream.origin }] } },
  });
  const claims = { "x-forwarded-for": "1.1.1.1", "forwarded": "for=1.1.1.1", "x-real-ip": "1.1.1.1" };
  await send(`${daemon.url}${prefix}/me`, undefined, { headers: claims });
  assertStringIncludes(seen, "x-forwarded-for: 127.0.0.1\r\n");
  assert(!seen.includes("1.1.1.1"));
});

Deno.test("a batch of too many calls is refused before anything is called", async () => {
  await using proxied = await proxyToReal();
  const many = Array(10_001).fill("p").join(",");
  for (
    const [url, body] of [[`${many}?batch=1`, "{}"], [`${",".repeat(10_000)}?batch=1`, undefined]] as const
  ) {
    const reply = await send(`${proxied.url}/${url}`, body);
    assertEquals(reply.status, 400);
    assertEquals(codesOf(reply.json)[0], "BAD_REQUEST");
  }
  const allowed = Array(100).fill("me").join(",");
  assertEquals((await send(`${proxied.url}/${allowed}?batch=1`)).status, 200);
  assertEquals((await send(`${proxied.url}/${allowed},me?batch=1`)).status, 400);
  assertEquals(proxied.upstream.arrived.length, 1);
});

Deno.test("no path leaves its prefix", async () => {
  await using proxied = await proxyToReal();
  for (
    const path of ["/../secret", "/%2e%2e/secret", "/a/..%2fsecret", "/..", "/.%2E/x", "/a/./b", "\\..\\x"]
  ) {
    using raw = await openRaw(proxied.url);
    await raw.write(`GET ${prefix}${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
    const status = (await raw.readReply())?.status;
    assert(status === 400 || status === 404, `${path}: ${status}`);
  }
  assertEquals(proxied.upstream.arrived, []);
  assertEquals((await send(`${proxied.daemon.url}${prefix}x/me`)).status, 404);
});

Deno.test("the longest prefix wins, and a path of the upstream takes the place of the prefix", async () => {
  const seen: string[] = [];
  await using upstream = startRawUpstream(async (peer) => {
    for (let request = await peer.nextRequest(); request !== undefined; request = await peer.nextRequest()) {
      seen.push(request.split(" ")[1]);
      await peer.write(jsonReply("{}"));
    }
  });
  const { origin } = upstream;
  await using daemon = await startDaemon({
    config: {
      trpc: {
        routes: [
          { prefix: "/t", upstream: origin },
          { prefix: "/t/v2", upstream: `${origin}/inner/api` },
          { prefix: "/root", upstream: `${origin}/` },
        ],
      },
    },
  });
  for (const path of ["/t/a?x=1", "/t/v2/b,c?batch=1", "/t/v2x", "/root/d", "/root"]) {
    await send(daemon.url + path);
  }
  assertEquals(seen, ["/t/a?x=1", "/inner/api/b,c?batch=1", "/t/v2x", "/d", "/"]);
});

Deno.test("a route that would hide a path of the daemon's own keeps it from starting", async () => {
  await using daemon = await startDaemon({
    config: { trpc: { routes: [{ prefix: "/track", upstream: "http://127.0.0.1:1" }] } },
    until: "spawned",
  });
  assertEquals(await daemon.exit(), 1);
  assertStringIncludes(JSON.stringify(daemon.logs()), "must leave the daemon's own /track");
});

Deno.test("metrics count what was done by route, and log lines hold no payload", async () => {
  await using proxied = await proxyToReal({ legacy_clients: true });
  const secret = "s3cret-pass";
  const C = { username: "m", password: secret };
  for (const body of [{ 0: C }, [C], { input: C }, { 0: 1, foo: C }]) {
    await send(`${proxied.url}/login?batch=1`, body);
  }
  await send(`${proxied.url}/login?batch=1`, `{"0":"${secret}`);
  await send(`${proxied.url}/find?batch=1&input=${encodeURIComponent(JSON.stringify([C]))}`);
  const metrics = await (await fetch(`${proxied.daemon.adminUrl}/metrics`)).text();
  const count = (action: string): string | undefined =>
    new RegExp(`weir_trpc_requests_total\\{route="${prefix}",action="${action}"\\} (\\d+)`).exec(metrics)
      ?.[1];
  assertEquals([count("unchanged"), count("normalized"), count("refused")], ["1", "3", "2"]);
  assertStringIncludes(metrics, `weir_requests_total{dialect="trpc",route="${prefix}",status="400"}`);
  const lines = proxied.daemon.logs();
  assertEquals(lines.filter(({ message }) => message === "tRPC input normalized").length, 3);
  for (const line of lines) assert(!JSON.stringify(line).includes(secret), line.message);
});

Deno.test("a stop lets a call end, and cuts off one that does not", async () => {
  const release = Promise.withResolvers<void>();
  await using upstream = startRawUpstream(async (peer) => {
    const request = await peer.nextRequest();
    if (request?.includes("/slow")) await release.promise;
    if (request?.includes("/never")) return;
    await peer.write(jsonReply("{}"));
  });
  await using proxied = await proxyTo(upstream.origin);
  const slow = send(`${proxied.url}/slow`);
  const never = send(`${proxied.url}/never,a?batch=1`, "{}");
  while (upstream.connections < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  const stopped = proxied.daemon.stop();
  await proxied.daemon.waitForLog("Stopping");
  release.resolve();
  assertEquals((await slow).status, 200);
  const cut = await never;
  assertEquals([cut.status, codesOf(cut.json)], [503, ["SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE"]]);
  assertEquals(cut.headers.get("retry-after"), "5");
  assertEquals(await stopped, 0);
});
