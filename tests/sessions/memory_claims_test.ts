import { assert, assertEquals } from "@std/assert";
import { createMetrics } from "../../src/base/metrics.ts";
import { MemoryClaims } from "../../src/sessions/memory_claims.ts";
import { claimsSuite, type ClaimsUnderTest } from "../contract/claims_suite.ts";

function handClock(): { now: () => number; monotonic: () => number; at: number } {
  const clock = { at: 1_000, now: () => 0, monotonic: () => clock.at };
  return clock;
}

claimsSuite("MemoryClaims", (): ClaimsUnderTest => {
  const clock = handClock();
  const claims = new MemoryClaims(clock, createMetrics());
  return {
    claims,
    other: claims,
    advance: (ms) => {
      clock.at += ms;
    },
    [Symbol.asyncDispose]: () => claims.close(),
  };
});

Deno.test("MemoryClaims forgets claims whose time is over, however many come at once", async () => {
  const clock = handClock();
  const claims = new MemoryClaims(clock, createMetrics());
  let largest = 0;
  for (let round = 0; round < 400; round++) {
    const asked = Array.from({ length: 500 }, (_, i) => ({ key: `${round}:${i}`, pendingMs: 1_000 }));
    const answers = await claims.take(asked);
    const held = answers.flatMap((answer, i) =>
      answer.state === "taken" ? [{ key: asked[i].key, token: answer.token }] : []
    );
    await claims.done(held.slice(0, 400), 1_000);
    clock.at += 1_000;
    largest = Math.max(largest, claims.size);
  }
  // Pending ones stay a minute longer: 60 rounds of 100; of the 200,000 in all, few are left.
  assert(largest < 15_000, `${largest} entries`);
  await claims.close();
  assertEquals(claims.size, 0);
});

Deno.test("MemoryClaims keeps a claim that is done for five days", async () => {
  const clock = handClock();
  const claims = new MemoryClaims(clock, createMetrics());
  const keepMs = 5 * 86_400_000;
  const [answer] = await claims.take([{ key: "a", pendingMs: 1_000 }]);
  assert(answer.state === "taken");
  await claims.done([{ key: "a", token: answer.token }], keepMs);
  for (let i = 0; i < 1_000; i++) {
    clock.at += keepMs / 1_001;
    const [other, a] = await claims.take([{ key: `b${i}`, pendingMs: 1 }, { key: "a", pendingMs: 1 }]);
    assertEquals([other.state, a.state], ["taken", "done"]);
  }
});

Deno.test("MemoryClaims counts what happens to claims", async () => {
  const clock = handClock();
  const metrics = createMetrics();
  const claims = new MemoryClaims(clock, metrics);
  const asked = [{ key: "a", pendingMs: 10 }];
  await claims.take(asked);
  await claims.take(asked);
  clock.at += 11;
  const [answer] = await claims.take(asked);
  assert(answer.state === "taken");
  await claims.done([{ key: "a", token: answer.token }], 10);
  const text = await metrics.registry.metrics();
  for (const event of ["taken", "lost", "taken_over", "done"]) {
    assert(text.includes(`weir_claims_total{event="${event}"} 1\n`), event);
  }
});
