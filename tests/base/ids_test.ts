import { assert, assertEquals, assertMatch } from "@std/assert";
import { mock } from "node:test";
import { IdSource } from "../../src/base/ids.ts";

/** Time that a test sets. */
function handClock(at: number): { now: () => number; monotonic: () => number; at: number } {
  const clock = { at, now: () => clock.at, monotonic: () => clock.at };
  return clock;
}

/** The 42 bits of the counter, read back from an id: 12 of rand_a, 30 below the variant. */
function counterOf(id: string): bigint {
  const bits = BigInt("0x" + id.replaceAll("-", ""));
  return ((bits >> 64n) & 0xfffn) << 30n | ((bits >> 32n) & 0x3fffffffn);
}

const version7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

Deno.test("IdSource.next() gives a million ids that are all different and sort in their order", () => {
  const clock = handClock(Date.UTC(2026, 10, 20));
  const ids = new IdSource(clock);
  let last = "";
  for (let i = 0; i < 1_000_000; i++) {
    if (i % 1_000 === 0) clock.at += i % 3_000 === 0 ? 1 : 0;
    const id = ids.next();
    assert(id > last, `${id} follows ${last}`);
    last = id;
  }
});

Deno.test("IdSource.next() gives UUIDs of version 7 that begin with the time", () => {
  for (const at of [0, 1, 65_535, 65_536, 0xffff_ffff, Date.UTC(2026, 10, 20), 2 ** 48 - 1]) {
    const ids = new IdSource(handClock(at));
    for (let i = 0; i < 300; i++) {
      const id = ids.next();
      assertMatch(id, version7);
      assertEquals(parseInt(id.slice(0, 8) + id.slice(9, 13), 16), at);
    }
  }
});

Deno.test("IdSource.next() stays in order when the clock goes backwards, even before 1970", () => {
  const clock = handClock(-5_000);
  const ids = new IdSource(clock);
  let last = "";
  for (const at of [-5_000, -1, 0, 10, 5, -7, 10, 11, 1_000, 0, 999, 1_000, 1_001]) {
    clock.at = at;
    for (let i = 0; i < 5; i++) {
      const id = ids.next();
      assertMatch(id, version7);
      assert(id > last, `${id} follows ${last}`);
      last = id;
    }
  }
});

Deno.test("IdSource.next() carries from the counter's low bits into its high ones", () => {
  // Random starts that stand right before a carry: out of the lowest 8, 16 and 30 bits, and past 2^40.
  for (const random of [0, 0xff, 0x3f_ffff, 0x7fff_ffff, 0xffff_ffff]) {
    const stub = mock.method(
      crypto,
      "getRandomValues",
      <T extends ArrayBufferView>(array: T): T => {
        new Uint32Array(array.buffer, array.byteOffset, array.byteLength >> 2).fill(random);
        return array;
      },
    );
    try {
      const ids = new IdSource(handClock(1_000));
      const first = counterOf(ids.next());
      assertEquals(first, BigInt(random) * 256n);
      let last = "";
      for (let i = 1n; i < 70_000n; i++) {
        const id = ids.next();
        assertMatch(id, version7);
        assertEquals(counterOf(id), first + i);
        assert(id > last);
        last = id;
      }
    } finally {
      stub.mock.restore();
    }
  }
});

Deno.test("IdSource.lend() lends out the ids that next() would give, and next() goes on behind those in use", () => {
  const clock = handClock(123_456_789);
  const ids = new IdSource(clock);
  const before = ids.next();
  const text = new Uint8Array(36);
  const counter = ids.lend(text, clock.at);
  assertEquals(BigInt(counter), counterOf(before) + 1n);
  const lent = new TextDecoder().decode(text);
  assertEquals([lent.slice(0, 14), lent.slice(28)], [before.slice(0, 14), before.slice(28)]);
  ids.used(3);
  assertEquals(counterOf(ids.next()), counterOf(before) + 4n);

  clock.at++;
  assert(ids.lend(text, clock.at) < 2 ** 40);
  assertMatch(new TextDecoder().decode(text), version7);
  assert(new TextDecoder().decode(text).slice(0, 13) > before.slice(0, 13));
});

Deno.test("IdSource of two processes differ in their last 32 bits", () => {
  const tails = new Set(Array.from({ length: 50 }, () => new IdSource(handClock(1)).next().slice(28)));
  assert(tails.size > 45);
});
