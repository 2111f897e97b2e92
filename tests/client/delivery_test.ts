import { assert, assertEquals } from "@std/assert";
import { Delivery, type DeliveryOptions, type TryReport } from "../../src/client/delivery.ts";
import { cuttingServer, hang, scriptedServer } from "./scripted_server.ts";
import { SkippingClock } from "./skipping_clock.ts";

function delivery(clock: SkippingClock, options: DeliveryOptions = {}): Delivery {
  return new Delivery({ clock, random: () => 0.5, holdsProcess: true, ...options });
}

Deno.test("Delivery.send() gives the reply of a server that takes the request at once", async () => {
  await using server = scriptedServer(() => new Response("thanks"));
  const clock = new SkippingClock();
  const result = await delivery(clock).send({ url: server.url, body: "é" });
  assert(result.kind === "reply" && result.ok);
  assertEquals([result.reply.status, result.reply.text, result.tries], [200, "thanks", 1]);
  assertEquals([result.sentBytes, result.receivedBytes, result.unanswered], [2, 6, 0]);
  assertEquals([server.received[0].method, clock.waits, clock.running], ["POST", [], 0]);
});

for (const status of [408, 425, 429, 500, 502, 503, 504]) {
  Deno.test(`Delivery.send() tries again after 1 s and 2 s on status ${status}`, async () => {
    await using server = scriptedServer((_, index) =>
      new Response("x", { status: index < 2 ? status : 200, headers: { connection: "close" } })
    );
    const clock = new SkippingClock();
    const result = await delivery(clock).send({ url: server.url, body: "x", idempotencyKey: "k1" });
    assertEquals([result.ok, result.tries, clock.waits], [true, 3, [1_000, 2_000]]);
    assertEquals(server.received.map(({ headers }) => headers.get("idempotency-key")), ["k1", "k1", "k1"]);
  });
}

for (const status of [301, 307, 400, 401, 403, 404, 405, 409, 413, 415, 422, 501]) {
  Deno.test(`Delivery.send() takes status ${status} as the last word`, async () => {
    await using server = scriptedServer(() => new Response("x", { status, headers: { location: "/" } }));
    const clock = new SkippingClock();
    const result = await delivery(clock).send({ url: server.url, body: "x" });
    assert(result.kind === "reply");
    assertEquals([result.ok, result.reply.status, result.isRetryable], [false, status, false]);
    assertEquals([server.received.length, clock.waits], [1, []]);
  });
}

Deno.test("Delivery.send() gives the last reply when no try is left", async () => {
  await using server = scriptedServer(() => new Response("down", { status: 503 }));
  const reports: TryReport[] = [];
  const clock = new SkippingClock();
  const result = await delivery(clock, {
    retries: 4,
    maxDelayMs: 3_000,
    onTry: (report) => reports.push(report),
  })
    .send({ url: server.url });
  assert(result.kind === "reply");
  assertEquals([result.reply.text, result.isRetryable, result.tries], ["down", true, 5]);
  assertEquals(clock.waits, [1_000, 2_000, 3_000, 3_000]);
  assertEquals(reports.map(({ number, status, nextInMs }) => [number, status, nextInMs]), [
    [1, 503, 1_000],
    [2, 503, 2_000],
    [3, 503, 3_000],
    [4, 503, 3_000],
    [5, 503, undefined],
  ]);
});

Deno.test("Delivery.send() spreads waits by the jitter, and no further", async () => {
  await using server = scriptedServer(() => new Response("", { status: 500 }));
  for (const [random, expected] of [[0, 750], [0.999999, 1_250]] as const) {
    const clock = new SkippingClock();
    await new Delivery({ clock, random: () => random, jitter: 0.25, retries: 1, holdsProcess: true })
      .send({ url: server.url });
    assertEquals(clock.waits.map(Math.round), [expected]);
  }
});

const retryAfter: [string, Record<string, string>, number[]][] = [
  ["seconds", { "retry-after": "7" }, [7_000]],
  ["fewer seconds than the wait it would have anyway", { "retry-after": "0" }, [1_000]],
  ["a date", { "retry-after": "Thu, 01 Jan 2026 00:00:09 GMT", date: "Thu, 01 Jan 2026 00:00:04 GMT" }, [
    5_000,
  ]],
  ["a date that has passed", { "retry-after": "Wed, 31 Dec 2025 00:00:00 GMT" }, [1_000]],
  ["no date and no number", { "retry-after": "-5" }, [1_000]],
  ["more than there is patience for", { "retry-after": "61" }, []],
];
for (const [what, headers, waits] of retryAfter) {
  Deno.test(`Delivery.send() heeds a Retry-After of ${what}`, async () => {
    await using server = scriptedServer((_, index) =>
      index === 0 ? new Response("", { status: 503, headers }) : new Response("")
    );
    const clock = new SkippingClock();
    const result = await delivery(clock).send({ url: server.url });
    assertEquals([clock.waits, result.ok], [waits, waits.length > 0]);
    if (waits.length === 0) assertEquals(result.retryAfterMs, 61_000);
  });
}

Deno.test("Delivery.send() tries again when nobody listens, and counts what was not answered", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr;
  listener.close();
  const clock = new SkippingClock();
  const result = await delivery(clock).send({ url: `http://127.0.0.1:${port}/`, body: "x" });
  assert(result.kind === "no_reply");
  assertEquals([result.reason, result.tries, result.unanswered, result.isRetryable], ["network", 3, 3, true]);
  assertEquals(clock.waits, [1_000, 2_000]);
});

Deno.test("Delivery.send() takes no part of a reply that was cut off", async () => {
  const whole = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
  await using server = cuttingServer([
    'HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{"success":true',
    "",
    whole,
  ]);
  const clock = new SkippingClock();
  const result = await delivery(clock).send({ url: server.url, body: "x" });
  assert(result.kind === "reply");
  assertEquals([result.reply.text, result.tries, result.unanswered], ["ok", 3, 2]);
});

Deno.test("Delivery.send() ends a try that takes too long, whether its fetch heeds the signal or not", async () => {
  const clock = new SkippingClock();
  const hanging = hang(clock);
  await using server = scriptedServer((_, index) => index === 0 ? hanging.script() : new Response("ok"));
  const result = await delivery(clock).send({ url: server.url, body: "x" });
  hanging.release();
  assertEquals([result.ok, result.tries, result.unanswered], [true, 2, 1]);

  const deaf = await delivery(clock, {
    retries: 0,
    fetch: () => {
      queueMicrotask(() => clock.endLimits());
      return new Promise(() => undefined);
    },
  }).send({ url: server.url });
  assert(deaf.kind === "no_reply");
  assertEquals([deaf.reason, clock.running], ["timeout", 0]);
});

Deno.test("Delivery.send() stops at once when it is called off: before, within a try, between two", async () => {
  const clock = new SkippingClock();
  const before = await delivery(clock).send({ url: "http://127.0.0.1:1/", signal: AbortSignal.abort("why") });
  assert(before.kind === "no_reply");
  assertEquals([before.reason, before.error, before.tries], ["aborted", "why", 0]);

  const abort = new AbortController();
  const hanging = hang(clock);
  await using server = scriptedServer((_, index) => {
    if (index > 0) return new Response("", { status: 500 });
    queueMicrotask(() => abort.abort());
    return hanging.script();
  });
  const within = await delivery(clock).send({ url: server.url, signal: abort.signal });
  hanging.release();
  assert(within.kind === "no_reply");
  assertEquals([within.reason, within.tries, within.unanswered], ["aborted", 1, 1]);

  const later = new AbortController();
  clock.onWait = () => later.abort();
  const between = await delivery(clock).send({ url: server.url, signal: later.signal });
  assert(between.kind === "no_reply");
  assertEquals([between.reason, between.tries, server.received.length], ["aborted", 1, 2]);
});

Deno.test("Delivery.send() never throws, whatever it is given", async () => {
  const clock = new SkippingClock();
  const bad = [
    { url: "nowhere" },
    { url: "ftp://127.0.0.1/" },
    { url: "http://127.0.0.1:1/", headers: { "bad name": "x" } },
    { url: "http://127.0.0.1:1/", idempotencyKey: "line\nbreak" },
    { url: "http://127.0.0.1:1/", method: "CONNECT" },
    { url: "http://127.0.0.1:1/", method: "GET", body: "x" },
  ];
  for (const request of bad) {
    const result = await delivery(clock).send(request);
    assert(result.kind === "no_reply", JSON.stringify(request));
    assertEquals([result.reason, result.tries, result.isRetryable], ["invalid_request", 0, false]);
  }
  await using server = scriptedServer(() => new Response("ok"));
  const hooks = {
    onTry: () => {
      throw new Error("hook");
    },
  };
  const result = await delivery(clock, hooks).send({
    url: server.url,
    isRetryableReply: () => {
      throw new Error("judge");
    },
  });
  assert(result.ok);
});

Deno.test("Delivery.send() tries again on a reply that the caller cannot use", async () => {
  await using server = scriptedServer((_, index) => new Response(index === 0 ? "<html>" : "{}"));
  const clock = new SkippingClock();
  const result = await delivery(clock).send({
    url: server.url,
    isRetryableReply: ({ text }) => text.startsWith("<"),
  });
  assert(result.kind === "reply");
  assertEquals([result.reply.text, result.tries], ["{}", 2]);
});

Deno.test("Delivery.send() compresses from 1 KiB on, and learns which server takes none", async () => {
  await using server = scriptedServer(({ headers }) =>
    new Response("", { status: headers.has("content-encoding") ? 415 : 200 })
  );
  const clock = new SkippingClock();
  const sender = delivery(clock, { gzip: true, retries: 0 });
  const short = await sender.send({ url: server.url, body: "a".repeat(1_023) });
  const long = await sender.send({ url: server.url, body: "a".repeat(1_024) });
  const again = await sender.send({ url: server.url, body: "a".repeat(1_024) });
  assertEquals([short.ok, long.ok, again.ok, long.tries, again.tries], [true, true, true, 2, 1]);
  const codings = server.received.map(({ headers }) => headers.get("content-encoding"));
  assertEquals(codings, [null, "gzip", null, null]);
  const packed = new Blob([server.received[1].body]).stream().pipeThrough(new DecompressionStream("gzip"));
  assertEquals(await new Response(packed).text(), "a".repeat(1_024));
  assertEquals(long.sentBytes, 1_024 + server.received[1].body.length);
});

Deno.test("Delivery.send() reads no more of a reply than it may", async () => {
  await using server = scriptedServer(() => new Response("x".repeat(2_000)));
  const result = await delivery(new SkippingClock(), { maxReplyBytes: 1_999 }).send({ url: server.url });
  assert(result.kind === "no_reply");
  assertEquals([result.reason, result.isRetryable, result.tries], ["reply_too_large", false, 1]);
});

Deno.test("Delivery keeps no program alive between two tries, unless told so", async () => {
  const program = (holdsProcess: boolean): string => `
    import { Delivery } from ${JSON.stringify(new URL("../../src/client/delivery.ts", import.meta.url).href)};
    const delivery = new Delivery({ firstDelayMs: ${
    holdsProcess ? 1 : 3_600_000
  }, holdsProcess: ${holdsProcess} });
    delivery.send({ url: "http://127.0.0.1:1/" }).then(({ tries }) => console.log("tries " + tries));`;
  for (const [holdsProcess, said] of [[false, ""], [true, "tries 3\n"]] as const) {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", program(holdsProcess)],
      stdout: "piped",
      stderr: "null",
    }).output();
    assertEquals([code, new TextDecoder().decode(stdout)], [0, said]);
  }
});
