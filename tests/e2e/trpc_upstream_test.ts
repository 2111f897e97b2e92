/**
 * The proxy and its upstream: connections that are used again, replies of every form, and upstreams that misbehave.
 */

import { assert, assertEquals } from "@std/assert";
import { send } from "../support/http.ts";
import { jsonReply, startRawUpstream } from "../trpc/raw_upstream.ts";
import { always, codesOf, miB, prefix, proxyTo, proxyToRaw } from "./trpc_proxied.ts";

Deno.test("connections to the upstream are used again", async () => {
  await using proxied = await proxyToRaw(always(jsonReply("{}")));
  for (let i = 0; i < 20; i++) assertEquals((await send(`${proxied.url}/me`)).status, 200);
  assertEquals(proxied.upstream.connections, 1);
});

Deno.test("a connection that the upstream closes, announced or not, costs no query; a mutation is never sent twice", async () => {
  let mutations = 0;
  await using proxied = await proxyToRaw(async (peer) => {
    for (let count = 0;; count++) {
      const request = await peer.nextRequest();
      if (request === undefined) return;
      const isMutation = request.startsWith("POST");
      if (isMutation) mutations++;
      // The second request on a connection finds it closed.
      if (count > 0) return peer.close();
      await peer.write(jsonReply("{}").replace("\r\n", isMutation ? "\r\nconnection: close\r\n" : "\r\n"));
      if (isMutation) return peer.close();
    }
  });
  for (let i = 0; i < 10; i++) assertEquals((await send(`${proxied.url}/me`)).status, 200);
  const lost = await send(`${proxied.url}/echo`, "1");
  assertEquals([lost.status, mutations], [502, 1]);
  for (let i = 0; i < 10; i++) assertEquals((await send(`${proxied.url}/echo`, "1")).status, 200);
  assertEquals(mutations, 11);
});

Deno.test("an upstream that is not there, or is silent, gives 502 and 504 in tRPC's shape", async () => {
  const gone = startRawUpstream(() => Promise.resolve());
  await gone[Symbol.asyncDispose]();
  await using away = await proxyTo(gone.origin);
  const down = await send(`${away.url}/a,b?batch=1`, "{}");
  assertEquals([down.status, codesOf(down.json)], [502, ["BAD_GATEWAY", "BAD_GATEWAY"]]);
  assertEquals(down.headers.get("content-type"), "application/json");
  await using silent = await proxyToRaw(async (peer) => void await peer.nextRequest(), { timeout_ms: 200 });
  const late = await send(`${silent.url}/me`);
  assertEquals([late.status, codesOf(late.json)], [504, ["GATEWAY_TIMEOUT"]]);
  const refusedLine = await silent.daemon.waitForLog("Request refused");
  assertEquals([refusedLine.code, refusedLine.route], ["upstream_timeout", prefix]);
});

Deno.test("a reply that is no HTTP is 502, and never reaches the client", async () => {
  const replies = [
    "SSH-2.0-OpenSSH\r\n\r\n",
    "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
    "HTTP/1.1 101 Switching\r\n\r\n",
    "HTTP/1.1 999 Odd\r\n\r\n",
    `HTTP/1.1 200 OK\r\nx: ${"x".repeat(70_000)}\r\n\r\n`,
    "HTTP/1.1 200 OK\r\n",
    "",
  ];
  await using proxied = await proxyToRaw(async (peer, connection) => {
    await peer.nextRequest();
    await peer.write(replies[connection]);
    peer.close();
  });
  for (const reply of replies) {
    const answer = await send(`${proxied.url}/echo`, "1");
    assertEquals([answer.status, codesOf(answer.json)], [502, ["BAD_GATEWAY"]], reply.slice(0, 60));
  }
});

Deno.test("a reply that is cut, or ill chunked, is cut for the client too", async () => {
  const replies = [
    "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n123456789\r\n0\r\n\r\n",
  ];
  await using proxied = await proxyToRaw(async (peer, connection) => {
    await peer.nextRequest();
    await peer.write(replies[connection]);
    peer.close();
  });
  for (const reply of replies) {
    let end = "whole";
    try {
      const response = await fetch(`${proxied.url}/me`);
      await response.text();
    } catch (error) {
      assert(error instanceof TypeError);
      end = "cut";
    }
    assertEquals(end, "cut", reply);
  }
});

Deno.test("replies without a body, with interim ones before, or that end with the connection are read right", async () => {
  const replies: [string, number, string][] = [
    ["HTTP/1.1 204 No Content\r\n\r\n", 204, ""],
    ["HTTP/1.1 205 Reset\r\ncontent-length: 0\r\n\r\n", 205, ""],
    ["HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, ""],
    ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + jsonReply("{}"), 200, "{}"],
    ["HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end"],
    ["HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold", 200, "old"],
    ["HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n", 302, ""],
    [
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\ntrailer: 1\r\n\r\n",
      200,
      "abc",
    ],
  ];
  await using proxied = await proxyToRaw(async (peer, connection) => {
    await peer.nextRequest();
    const [reply] = replies[connection];
    for (const byte of new TextEncoder().encode(reply)) await peer.write(new Uint8Array([byte]));
    peer.close();
  });
  for (const [reply, status, text] of replies) {
    const answer = await send(`${proxied.url}/me`);
    assertEquals([answer.status, answer.text], [status, text], reply);
    assert(answer.headers.get("location") === (status === 302 ? "/elsewhere" : null));
  }
});

Deno.test("a client that goes away ends the call of the upstream, before and within the reply", async () => {
  const gone = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using proxied = await proxyToRaw(async (peer, connection) => {
    await peer.nextRequest();
    if (connection === 1) {
      await peer.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n");
    }
    // The next request never comes: the proxy closes.
    assertEquals(await peer.nextRequest(), undefined);
    gone[connection].resolve();
  });
  const before = new AbortController();
  const waiting = fetch(`${proxied.url}/me`, { signal: before.signal }).catch(() => "aborted");
  while (proxied.upstream.connections === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  before.abort();
  assertEquals(await waiting, "aborted");
  await gone[0].promise;
  const within = new AbortController();
  const response = await fetch(`${proxied.url}/me`, { signal: within.signal });
  const reader = (response.body as ReadableStream).getReader();
  await reader.read();
  within.abort();
  await reader.read().catch(() => undefined);
  await gone[1].promise;
});

Deno.test("an upstream that answers before the body is sent is heard", async () => {
  await using upstream = startRawUpstream(async (peer) => {
    await peer.write("HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}");
    await peer.nextRequest();
  });
  await using proxied = await proxyTo(upstream.origin);
  const body = new Uint8Array(2 * miB);
  const reply = await send(`${proxied.url}/bytes`, body, {
    headers: { "content-type": "application/octet-stream" },
  });
  assertEquals([reply.status, reply.text], [413, "{}"]);
});
