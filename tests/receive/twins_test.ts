import { assert, assertEquals } from "@std/assert";
import { Twins } from "../../src/receive/twins.ts";
import { handClock } from "./serve_body.ts";

const reply = { status: 200, body: '{"deviceId":"d","sessionId":"s"}' };
const twin = { key: "k", windowMs: 100 };

Deno.test("Twins.begin() repeats a reply for as long as the window, marked", async () => {
  const clock = handClock();
  const twins = new Twins(clock);
  using first = await twins.begin(twin);
  assertEquals(first.repeat, undefined);
  first.done(reply);
  clock.at += 99;
  using second = await twins.begin(twin);
  assertEquals(second.repeat, { status: 200, body: '{"deviceId":"d","sessionId":"s","duplicate":true}' });
  using other = await twins.begin({ ...twin, key: "other" });
  assertEquals(other.repeat, undefined);
  clock.at += 1;
  using late = await twins.begin(twin);
  assertEquals(late.repeat, undefined);
});

Deno.test("Twins.begin() waits for one that is running; when that fails, exactly one of the others runs", async () => {
  const twins = new Twins(handClock());
  const first = await twins.begin(twin);
  let settled = 0;
  const others = [1, 2, 3].map(async () => {
    const turn = await twins.begin(twin);
    settled++;
    return turn;
  });
  await Promise.resolve();
  assertEquals(settled, 0);
  first[Symbol.dispose]();
  const runs = await Promise.race(others);
  assertEquals([runs.repeat, settled], [undefined, 1]);
  runs.done(reply);
  const turns = await Promise.all(others);
  assertEquals(turns.filter(({ repeat }) => repeat === undefined).length, 1);
});

Deno.test("Twins forget what is over", async () => {
  const clock = handClock();
  const twins = new Twins(clock);
  for (let i = 0; i < 30_000; i++) {
    using turn = await twins.begin({ key: `key ${i}`, windowMs: 100 });
    turn.done(reply);
    if (i % 100 === 0) clock.at += 10;
  }
  assert(twins.size <= 1_100, `${twins.size} are remembered`);
});
