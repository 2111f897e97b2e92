import { assertEquals } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import { StallWatch } from "../../src/receive/stall_watch.ts";
import { handClock } from "./serve_body.ts";

function watchWith(stallMs: number, totalMs: number): { stalls: StallWatch; pass: (ms: number) => void } {
  const clock = handClock();
  const stalls = new StallWatch(() => ({ stall_timeout_ms: stallMs, body_timeout_ms: totalMs }), clock);
  const pass = (ms: number): void => {
    clock.at += ms;
    stalls.check();
  };
  return { stalls, pass };
}

Deno.test("StallWatch gives a body up once, when no byte came for too long", () => {
  const { stalls, pass } = watchWith(100, 1_000);
  const reasons: string[] = [];
  using watch = stalls.watch(({ message }) => reasons.push(message));
  pass(99);
  assertEquals([reasons, watch.refusal?.message], [[], undefined]);
  watch.wait();
  pass(99);
  assertEquals(reasons, []);
  pass(1);
  pass(500);
  assertEquals(reasons, ["No byte of the body came for 100 ms"]);
  assertEquals(watch.refusal?.message, reasons[0]);
  stalls.stop();
});

Deno.test("StallWatch waits as many times as long as it is told to", () => {
  const { stalls, pass } = watchWith(100, 1_000);
  const reasons: string[] = [];
  using _patient = stalls.watch(({ message }) => reasons.push(message), 3);
  pass(299);
  assertEquals(reasons, []);
  pass(1);
  assertEquals(reasons, ["No byte of the body came for 300 ms"]);
  stalls.stop();
});

Deno.test("StallWatch does not count the time in which nobody waits for a byte", () => {
  const { stalls, pass } = watchWith(100, 1_000);
  const reasons: string[] = [];
  using watch = stalls.watch(({ message }) => reasons.push(message));
  watch.rest();
  pass(900);
  watch.wait();
  pass(99);
  assertEquals(reasons, []);
  pass(1);
  assertEquals(reasons.length, 1);
  stalls.stop();
});

Deno.test("StallWatch gives up a body that takes too long as a whole, though bytes come", () => {
  const { stalls, pass } = watchWith(100, 250);
  const reasons: string[] = [];
  using watch = stalls.watch(({ message }) => reasons.push(message));
  for (let i = 0; i < 3; i++) {
    pass(80);
    watch.wait();
  }
  assertEquals(reasons, []);
  pass(10);
  assertEquals(reasons, ["The body took longer than 250 ms"]);
  stalls.stop();
});

Deno.test("StallWatch looks after each body by itself, and not after those that ended", () => {
  const { stalls, pass } = watchWith(100, 1_000);
  const given: string[] = [];
  const early = stalls.watch(() => given.push("early"));
  pass(60);
  using late = stalls.watch(() => given.push("late"));
  const ended = stalls.watch(() => given.push("ended"));
  ended[Symbol.dispose]();
  pass(40);
  assertEquals(given, ["early"]);
  pass(60);
  assertEquals(given, ["early", "late"]);
  early[Symbol.dispose]();
  assertEquals(late.refusal?.message, "No byte of the body came for 100 ms");
  stalls.stop();
});

Deno.test("StallWatch looks by itself while there are bodies, and stops when there are none", async () => {
  const clock = handClock();
  const stalls = new StallWatch(() => ({ stall_timeout_ms: 100, body_timeout_ms: 1_000 }), clock);
  const { promise, resolve } = Promise.withResolvers<WeirError>();
  using _watch = stalls.watch(resolve);
  clock.at += 100;
  // Its timer keeps no process alive, so that this test must.
  const alive = setInterval(() => {}, 1_000);
  assertEquals((await promise).message, "No byte of the body came for 100 ms");
  clearInterval(alive);
  stalls.stop();
});

Deno.test("StallWatch takes up new limits at once", () => {
  const clock = handClock();
  let stallMs = 100;
  const stalls = new StallWatch(() => ({ stall_timeout_ms: stallMs, body_timeout_ms: 1_000 }), clock);
  const reasons: string[] = [];
  using _watch = stalls.watch(({ message }) => reasons.push(message));
  stallMs = 500;
  clock.at += 200;
  stalls.check();
  assertEquals(reasons, []);
  stallMs = 150;
  stalls.check();
  assertEquals(reasons.length, 1);
  stalls.stop();
});

Deno.test("StallWatch.giveUpAll() gives up every body, also those that begin later, each once", async () => {
  const { stalls, pass } = watchWith(100, 1_000);
  const given: string[] = [];
  const refusal = new WeirError("draining", "The daemon is stopping");
  using _first = stalls.watch(({ code }) => given.push(`first ${code}`));
  const ended = stalls.watch(() => given.push("ended"));
  ended[Symbol.dispose]();
  stalls.giveUpAll(refusal);
  assertEquals(given, ["first draining"]);
  using late = stalls.watch(({ code }) => given.push(`late ${code}`));
  const gone = stalls.watch(() => given.push("gone"));
  gone[Symbol.dispose]();
  assertEquals(given.length, 1, "never during the call");
  await Promise.resolve();
  assertEquals([given, late.refusal], [["first draining", "late draining"], refusal]);
  pass(5_000);
  assertEquals(given.length, 2);
  stalls.stop();
});
