import { assert, assertEquals, assertThrows } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import { contentLength } from "../../src/receive/body.ts";
import { openRaw, requestHead, send } from "../support/http.ts";
import { encoders, joined, randomBytes, zstdBomb } from "./encoded.ts";
import { serveBodies } from "./serve_body.ts";

const smallest = 16 * 1024;

Deno.test("contentLength() takes a number of bytes and nothing else", () => {
  const of = (text: string): number | undefined => contentLength(new Headers({ "content-length": text }));
  assertEquals(contentLength(new Headers()), undefined);
  assertEquals([of("0"), of("5"), of("007"), of("999999999999999")], [0, 5, 7, 999_999_999_999_999]);
  for (const text of ["", "-1", "+5", "5.0", "5, 5", "0x10", "1e3", "9999999999999999", "５"]) {
    const header = { get: () => text } as unknown as Headers;
    const error = assertThrows(() => contentLength(header), WeirError);
    assertEquals(error.code, "invalid_header", text);
  }
});

Deno.test("readBody() and readSmallBody() give the bytes that were sent, on both sides of the edge", async () => {
  await using server = serveBodies();
  for (const size of [0, 1, smallest - 1, smallest, smallest + 1, 65_536, 65_537, 1_000_000]) {
    const bytes = randomBytes(size);
    const reply = await send(server.url, bytes);
    assertEquals([reply.status, reply.text], [200, String(size)]);
    const result = await server.next();
    assertEquals(result.bytes, bytes);
    assertEquals(result.isSmall, size <= smallest);
  }
});

Deno.test("readBody() takes bodies that announce no length", async () => {
  await using server = serveBodies();
  using client = await openRaw(server.url);
  await client.write(requestHead(server.url) + "3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n");
  assertEquals((await client.readReply())?.text, "19");
  assertEquals(new TextDecoder().decode((await server.next()).bytes), "abc0123456789abcdef");
  await client.write(requestHead(server.url) + "0\r\n\r\n");
  assertEquals((await client.readReply())?.text, "0");
  await server.next();
  const none = await send(server.url, undefined, { method: "POST" });
  assertEquals(none.text, "0");
});

Deno.test("readBody() refuses a body past its limit, announced or not, coded or not", async () => {
  const maxBytes = 20_000;
  await using server = serveBodies({ maxBytes });
  const attempt = async (body: Uint8Array, headers: Record<string, string> = {}): Promise<string> => {
    const reply = await send(server.url, body, { headers });
    await server.next();
    return reply.text;
  };
  assertEquals(await attempt(randomBytes(maxBytes)), String(maxBytes));
  assertEquals(await attempt(randomBytes(maxBytes + 1)), "body_too_large");
  for (const [coding, encode] of Object.entries(encoders)) {
    const headers = { "content-encoding": coding };
    assertEquals(await attempt(encode(new Uint8Array(maxBytes)), headers), String(maxBytes));
    assertEquals(await attempt(encode(new Uint8Array(maxBytes + 1)), headers), "body_too_large", coding);
  }
  assertEquals(await attempt(zstdBomb(100_000), { "content-encoding": "zstd" }), "body_too_large");
  const chunked = new ReadableStream({
    start(controller): void {
      controller.enqueue(new Uint8Array(maxBytes + 1));
      controller.close();
    },
  });
  assertEquals((await send(server.url, chunked)).text, "body_too_large");
});

Deno.test("readSmallBody() refuses a small body past a smaller limit", async () => {
  await using server = serveBodies({ maxBytes: 10 });
  assertEquals((await send(server.url, "0123456789")).text, "10");
  assertEquals((await send(server.url, "01234567890")).text, "body_too_large");
});

Deno.test("readBody() undoes one Content-Encoding, whatever its case, and refuses lists of them", async () => {
  await using server = serveBodies();
  const text = new TextEncoder().encode("{}".repeat(50_000));
  const attempt = async (coding: string, body: Uint8Array): Promise<string> => {
    const reply = await send(server.url, body, { headers: { "content-encoding": coding } });
    return reply.text;
  };
  for (const [coding, encode] of Object.entries(encoders)) {
    assertEquals(await attempt(coding, encode(text)), "100000", coding);
    assertEquals(await attempt(coding.toUpperCase(), encode(text)), "100000", coding);
    assertEquals(await attempt(coding, encode(text).subarray(0, -1)), "bad_encoding", coding);
  }
  assertEquals(await attempt("x-gzip", encoders.gzip(text)), "100000");
  assertEquals(await attempt("identity", text), "100000");
  assertEquals(await attempt("", text.subarray(0, 100)), "100");
  for (const coding of ["gzip, br", "gzip, gzip", "gzip, identity", "aws-chunked", "none"]) {
    assertEquals(await attempt(coding, encoders.gzip(text)), "unsupported_encoding", coding);
  }
});

Deno.test("readBody() never takes a client that went away for the end of a body", async () => {
  await using server = serveBodies();
  const half = "x".repeat(5_000);
  const cases: [string, string][] = [
    ["announced, small", requestHead(server.url, 10_000) + half],
    ["announced, nothing of it", requestHead(server.url, 10_000)],
    ["announced, large", requestHead(server.url, 100_000) + half],
    ["chunked, between chunks", requestHead(server.url) + "1388\r\n" + half + "\r\n"],
    ["chunked, within one", requestHead(server.url) + "2710\r\n" + half],
    ["coded", requestHead(server.url, 50_000, { "content-encoding": "gzip" }) + half],
  ];
  for (const [what, bytes] of cases) {
    const client = await openRaw(server.url);
    await client.write(bytes);
    await server.begun();
    client.close();
    const { code } = await server.next();
    assert(code === "malformed_json" || (what === "coded" && code === "bad_encoding"), `${what}: ${code}`);
  }
});

Deno.test("readBody() takes the end of the sending side in the middle of a body for what it is", async () => {
  await using server = serveBodies();
  for (const head of [requestHead(server.url, 100_000), requestHead(server.url, 9_000)]) {
    using client = await openRaw(server.url);
    await client.write(head + "{}");
    await client.closeWrite();
    assertEquals((await server.next()).code, "malformed_json");
  }
});

Deno.test("readBody() keeps to the announced length: what follows is the next request", async () => {
  await using server = serveBodies();
  using client = await openRaw(server.url);
  const second = requestHead(server.url, 3) + "abc";
  await client.write(requestHead(server.url, 5) + "01234" + second);
  assertEquals((await client.readReply())?.text, "5");
  assertEquals((await client.readReply())?.text, "3");
  assertEquals(new TextDecoder().decode((await server.next()).bytes), "01234");
});

Deno.test("a request that names its length twice over never reaches readBody()", async () => {
  await using server = serveBodies();
  const both = { "content-length": "5", "transfer-encoding": "chunked" };
  const heads = [
    requestHead(server.url, undefined, both) + "14\r\n01234567890123456789\r\n0\r\n\r\n",
    requestHead(server.url, 5).replace("\r\n\r\n", "\r\ncontent-length: 6\r\n\r\n") + "012345",
    requestHead(server.url, undefined, { "content-length": "-5", "transfer-encoding": "" }) + "01234",
  ];
  for (const bytes of heads) {
    using client = await openRaw(server.url);
    await client.write(bytes);
    assertEquals((await client.readReply())?.status, 400);
  }
});

Deno.test("readBody() gives up a body of which no byte comes any more", async () => {
  await using server = serveBodies({ stallMs: 30_000 });
  const cases: [string, string][] = [
    ["small, silent", requestHead(server.url, 100)],
    ["small, half", requestHead(server.url, 100) + "x".repeat(50)],
    ["large, half", requestHead(server.url, 100_000) + "x".repeat(50)],
    ["chunked", requestHead(server.url) + "2\r\n{}\r\n"],
    ["coded", requestHead(server.url, 100_000, { "content-encoding": "zstd" })],
  ];
  for (const [what, bytes] of cases) {
    using client = await openRaw(server.url);
    await client.write(bytes);
    await server.begun();
    await arrived();
    server.clock.at += 29_999;
    server.stalls.check();
    await arrived();
    server.clock.at += 2;
    server.stalls.check();
    const { code, message } = await server.next();
    assertEquals([code, message], ["stalled", "No byte of the body came for 30000 ms"], what);
    assertEquals((await client.readReply())?.status, 408, what);
  }
});

Deno.test("readSmallBody() waits longer for a body that is larger than small ones are by default", async () => {
  await using server = serveBodies({ stallMs: 30_000, smallBytes: 100_000 });
  using client = await openRaw(server.url);
  await client.write(requestHead(server.url, 4 * smallest) + "x".repeat(50));
  await server.begun();
  await arrived();
  server.clock.at += 119_999;
  server.stalls.check();
  await arrived();
  server.clock.at += 2;
  server.stalls.check();
  const { code, isSmall } = await server.next();
  assertEquals([code, isSmall], ["stalled", true]);
  assertEquals((await client.readReply())?.status, 408);
});

Deno.test("readBody() waits as long as bytes keep coming, up to the limit for a body as a whole", async () => {
  let chunks = 0;
  await using server = serveBodies({
    stallMs: 1_000,
    totalMs: 10_000,
    onChunk: () => {
      chunks++;
    },
  });
  using client = await openRaw(server.url);
  await client.write(requestHead(server.url, 100_000));
  await server.begun();
  for (let i = 0; i < 11; i++) {
    await client.write("x");
    while (chunks <= i) await arrived();
    server.clock.at += 900;
    server.stalls.check();
  }
  await client.write("x");
  while (chunks < 12) await arrived();
  server.clock.at += 200;
  server.stalls.check();
  const { code, message, bytes } = await server.next();
  assertEquals([code, message, bytes.length], ["stalled", "The body took longer than 10000 ms", 12]);
});

Deno.test("readBody() does not blame the client for the time that its reader takes", async () => {
  await using server = serveBodies({
    stallMs: 1_000,
    onChunk: (_, { clock, stalls }) => {
      clock.at += 5_000;
      stalls.check();
    },
  });
  const reply = await send(server.url, randomBytes(500_000));
  assertEquals(reply.text, "500000");
  assertEquals((await server.next()).code, undefined);
  const coded = await send(server.url, encoders.gzip(randomBytes(500_000)), {
    headers: { "content-encoding": "gzip" },
  });
  assertEquals(coded.text, "500000");
});

Deno.test("readBody() holds up a sender while nobody reads on", async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let taken = 0;
  await using server = serveBodies({
    onChunk: (chunk) => {
      taken += chunk.length;
      return released;
    },
  });
  using client = await openRaw(server.url);
  const size = 64 * 1024 * 1024;
  await client.write(requestHead(server.url, size));
  let written = 0;
  const piece = new Uint8Array(1024 * 1024);
  const writing = (async () => {
    for (let at = 0; at < size; at += piece.length) {
      await client.write(piece);
      written += piece.length;
    }
  })();
  for (let i = 0; i < 50 && written < size; i++) await arrived();
  assert(written < size / 2 && taken <= 65_536, `${written} written, ${taken} taken`);
  release();
  await writing;
  assertEquals((await client.readReply())?.text, String(size));
});

Deno.test("readBody() leaves nothing running for a body that is refused half-way", async () => {
  await using server = serveBodies({ maxBytes: 100_000 });
  for (const coding of [undefined, "gzip", "zstd"]) {
    using client = await openRaw(server.url);
    const headers: Record<string, string> = coding ? { "content-encoding": coding } : {};
    await client.write(requestHead(server.url, undefined, headers));
    await server.begun();
    const bytes = coding ? encoders[coding](new Uint8Array(200_000)) : new Uint8Array(200_000);
    await client.write(joined([ascii(bytes.length.toString(16) + "\r\n"), bytes, ascii("\r\n")]));
    const { code } = await server.next();
    assertEquals(code, "body_too_large");
  }
});

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Long enough for bytes on loopback to be read, on a machine that is busy with other tests. */
function arrived(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}
