import { assert, assertEquals } from "@std/assert";
import { MemoryClaims } from "../../src/sessions/memory_claims.ts";
import { claimsSuite, type ClaimsUnderTest } from "../contract/claims_suite.ts";

function handClock(): { now: () => number; monotonic: () => number; at: number } {
  const clock = { at: 1_000, now: () => 0, monotonic: () => clock.at };
  return clock;
}

claimsSuite("MemoryClaims", (): ClaimsUnderTest => {
  const clock = handClock();
  const claims = new MemoryClaims(clock);
  return {
    claims,
    other: claims,
    advance: (ms) => {
      clock.at += ms;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
});

Deno.test("MemoryClaims forgets claims whose time is over, however many come at once", async () => {
  const clock = handClock();
  const claims = new MemoryClaims(clock);
  let largest = 0;
  for (let round = 0; round < 400; round++) {
    const asked = Array.from(
      { length: 500 },
      (_, i) => ({ key: `${round}:${i}`, token: "me", pendingMs: 1_000 }),
    );
    await claims.take(asked);
    await claims.done(asked.slice(0, 400).map((held) => ({ ...held, keepMs: 1_000 })));
    clock.at += 1_000;
    largest = Math.max(largest, claims.size);
  }
  // Pending ones stay a minute longer: 60 rounds of 100; of the 200,000 in all, few are left.
  assert(largest < 15_000, `${largest} entries`);
});

Deno.test("MemoryClaims keeps a claim that is done for five days", async () => {
  const clock = handClock();
  const claims = new MemoryClaims(clock);
  const keepMs = 5 * 86_400_000;
  const mine = { key: "a", token: "me" };
  await claims.take([{ ...mine, pendingMs: 1_000 }]);
  await claims.done([{ ...mine, keepMs }]);
  for (let i = 0; i < 1_000; i++) {
    clock.at += keepMs / 1_001;
    const [other, a] = await claims.take([
      { key: `b${i}`, token: "other", pendingMs: 1 },
      { key: "a", token: "other", pendingMs: 1 },
    ]);
    assertEquals([other.state, a.state], ["taken", "done"]);
  }
});

Deno.test("MemoryClaims keeps nothing of a claim that is given back", async () => {
  const claims = new MemoryClaims(handClock());
  const mine = { key: "a", token: "me" };
  await claims.take([{ ...mine, pendingMs: Infinity }]);
  assertEquals(claims.size, 1);
  await claims.release([mine]);
  assertEquals(claims.size, 0);
});

Deno.test("MemoryClaims.ended() waits until a claim is done or given back", async () => {
  const claims = new MemoryClaims(handClock());
  const owners = ["released", "done", "marked"].map((key) => ({ key, token: "me" }));
  await claims.ended("released");
  await claims.take(owners.map((mine) => ({ ...mine, pendingMs: Infinity })));
  const order: string[] = [];
  const waiting = owners.flatMap(({ key }) =>
    [1, 2].map(async (n) => {
      await claims.ended(key);
      order.push(`${key} ${n}`);
    })
  );
  const [released, done, marked] = owners;
  await claims.release([{ ...released, token: "other" }]);
  await claims.done([{ ...done, token: "other", keepMs: 1_000 }]);
  await claims.take([{ ...marked, token: "other", pendingMs: 1_000 }]);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(order, []);
  await claims.release([released]);
  await claims.done([{ ...done, keepMs: 1_000 }]);
  await claims.mark([{ ...marked, token: "other", keepMs: 1_000 }]);
  await Promise.all(waiting);
  assertEquals(order, owners.flatMap(({ key }) => [`${key} 1`, `${key} 2`]));
  await claims.ended("done");
});

Deno.test("MemoryClaims.ended() tells those who wait for a claim whose time is long over", async () => {
  const clock = handClock();
  const claims = new MemoryClaims(clock);
  await claims.take([{ key: "a", token: "me", pendingMs: 1_000 }]);
  const waiting = claims.ended("a");
  clock.at += 1_000_000;
  await claims.take([{ key: "b", token: "me", pendingMs: 1_000 }]);
  await waiting;
});
