import { assert, assertEquals, assertRejects } from "@std/assert";
import { systemClock } from "../../src/base/clock.ts";
import { WeirError } from "../../src/base/errors.ts";
import type { KeptReply } from "../../src/base/record.ts";
import type { Inbound } from "../../src/dialects/dialect.ts";
import { Idempotency } from "../../src/receive/idempotency.ts";
import { MemoryClaims } from "../../src/sessions/memory_claims.ts";

const kept: KeptReply = { status: 202, contentType: "application/json", body: "{}", at: 1 };

/** Replies of the past, in a map. */
class Replies {
  readonly known = new Map<string, KeptReply>();

  reply(key: string): KeptReply | undefined {
    return this.known.get(key);
  }
}

function openTurns(memory = new Replies()): Idempotency {
  return new Idempotency({ memory, claims: new MemoryClaims(systemClock) });
}

function inbound(key: string | undefined, path = "/track/batch"): Inbound {
  const headers = new Headers(key === undefined ? {} : { "idempotency-key": key });
  const url = new URL(`http://127.0.0.1${path}`);
  return { method: "POST", url, headers, params: {}, clientIp: "", requestId: "r", arrivedAt: 1 };
}

Deno.test("Idempotency.begin() lets a request without a key, or without an owner, run at once", async () => {
  const turns = openTurns();
  for (const [key, owner] of [[undefined, "shop"], ["k", undefined], [undefined, undefined]]) {
    using a = await turns.begin(inbound(key), owner);
    using b = await turns.begin(inbound(key), owner);
    assertEquals([a.key, a.repeat, b.key, b.repeat], [undefined, undefined, undefined, undefined]);
  }
});

Deno.test("Idempotency.begin() gives a repeat the reply of the first one", async () => {
  const replies = new Replies();
  const turns = openTurns(replies);
  const first = await turns.begin(inbound("k"), "shop");
  assert(first.key !== undefined && first.repeat === undefined);
  replies.known.set(first.key, kept);
  first[Symbol.dispose]();
  using second = await turns.begin(inbound("k"), "shop");
  assertEquals([second.key, second.repeat], [undefined, kept]);
});

Deno.test("Idempotency.begin() keeps routes, owners and keys apart", async () => {
  const turns = openTurns();
  const asked: [string, string, string][] = [
    ["k", "/track", "shop"],
    ["k", "/track/batch", "shop"],
    ["k", "/track", "other"],
    ["k2", "/track", "shop"],
    ["k", "/track", "shop\nk"],
    ["k", "/track", ""],
  ];
  const open = await Promise.all(asked.map(([key, path, owner]) => turns.begin(inbound(key, path), owner)));
  assertEquals(new Set(open.map(({ key }) => key)).size, asked.length);
  open.forEach((turn) => turn[Symbol.dispose]());
});

Deno.test("Idempotency.begin() makes the second wait for the first, and then repeats it", async () => {
  const replies = new Replies();
  const turns = openTurns(replies);
  const first = await turns.begin(inbound("k"), "shop");
  const order: string[] = [];
  const later = [1, 2, 3].map(async (n) => {
    using turn = await turns.begin(inbound("k"), "shop");
    order.push(`${n} ${turn.repeat?.status}`);
  });
  await Promise.resolve();
  assertEquals(order, []);
  order.push("first ends");
  replies.known.set(first.key!, kept);
  first[Symbol.dispose]();
  await Promise.all(later);
  assertEquals(order, ["first ends", "1 202", "2 202", "3 202"]);
});

Deno.test("Idempotency.begin() lets exactly one of those that wait run when the first one failed", async () => {
  const replies = new Replies();
  const turns = openTurns(replies);
  const first = await turns.begin(inbound("k"), "shop");
  let running = 0;
  let runs = 0;
  const later = Array.from({ length: 10 }, async () => {
    using turn = await turns.begin(inbound("k"), "shop");
    if (turn.repeat !== undefined) return "repeated";
    assertEquals(++running, 1, "one at a time");
    runs++;
    await new Promise((resolve) => setTimeout(resolve, 1));
    // The first two that run fail, too.
    if (runs === 3) replies.known.set(turn.key!, kept);
    running--;
    return "ran";
  });
  first[Symbol.dispose]();
  const results = await Promise.all(later);
  assertEquals(results.filter((result) => result === "ran").length, 3);
});

Deno.test("Idempotency.begin() refuses a key that is empty or longer than 256 characters", async () => {
  const turns = openTurns();
  for (const key of ["", "x".repeat(257)]) {
    const error = await assertRejects(async () => await turns.begin(inbound(key), "shop"), WeirError);
    assertEquals(error.code, "invalid_header");
  }
  using _turn = await turns.begin(inbound("x".repeat(256)), "shop");
});
