/**
 * What every implementation of Claims must do. Times are far apart, so that a room whose time really passes can
 * run it too: `advance` may wait.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { ClaimAnswer, ClaimRequest, Claims, DoneClaim, HeldClaim } from "../../src/sessions/claims.ts";

/** A fresh room, with a way to let time pass. */
export interface ClaimsUnderTest extends AsyncDisposable {
  readonly claims: Claims;
  /** A second room over the same claims, as another daemon has it; the same one where there is no other. */
  readonly other: Claims;
  /** At least `ms` pass for both. */
  advance(ms: number): void | Promise<void>;
}

type Taken = Extract<ClaimAnswer, { state: "taken" }>;

/** Longer than any test takes. */
const pendingMs = 60_000;
const keepMs = 60_000;
/** For claims whose time is to run out. */
const shortMs = 500;

let tokens = 0;

/** Asked by an owner of its own. */
function request(key: string, ms = pendingMs): ClaimRequest {
  return { key, token: `owner ${++tokens}`, pendingMs: ms };
}

/** Takes one claim, in the hope that it is free. */
async function take(claims: Claims, key: string, ms = pendingMs): Promise<Taken & HeldClaim> {
  const asked = request(key, ms);
  const [answer] = await claims.take([asked]);
  assert(answer.state === "taken", `${key} is ${answer.state}`);
  return { ...answer, key, token: asked.token };
}

/** How a claim answers to somebody who comes later. */
async function ask(claims: Claims, key: string): Promise<ClaimAnswer> {
  return (await claims.take([request(key)]))[0];
}

function done({ key, token }: HeldClaim, memo?: string, ms = keepMs): DoneClaim {
  return { key, token, keepMs: ms, memo };
}

/** Registers the tests for the implementation called `name`. */
export function claimsSuite(name: string, open: () => ClaimsUnderTest | Promise<ClaimsUnderTest>): void {
  const test = (what: string, run: (room: ClaimsUnderTest) => Promise<void>): void =>
    Deno.test(`${name} ${what}`, async () => {
      await using room = await open();
      await run(room);
    });

  test("take() gives a free claim, and tells everybody else that it is pending", async ({ claims, other }) => {
    const mine = await take(claims, "a");
    assertEquals(mine.takenOver, false);
    assert(Number.isSafeInteger(mine.fence) && mine.fence > 0);
    assertEquals(await ask(other, "a"), { state: "pending", fence: mine.fence });
    assertEquals(await ask(claims, "a"), { state: "pending", fence: mine.fence });
  });

  test("done() ends a claim for everybody, for as long as it is kept", async ({ claims, other, advance }) => {
    const mine = await take(claims, "a", shortMs);
    assertEquals(await claims.done([done(mine)]), [true]);
    await advance(shortMs + 100);
    assertEquals(await ask(other, "a"), { state: "done", fence: mine.fence, memo: "" });
    assertEquals(await ask(claims, "a"), { state: "done", fence: mine.fence, memo: "" });
  });

  test("forgets a claim that is done once its time is over", async ({ claims, other, advance }) => {
    const mine = await take(claims, "a");
    await claims.done([done(mine, undefined, 300)]);
    await advance(500);
    const again = await take(other, "a");
    assertEquals(again.takenOver, false);
    assert(again.fence > mine.fence);
  });

  test("gives a pending claim to another once its time is over", async ({ claims, other, advance }) => {
    const mine = await take(claims, "a", shortMs);
    await advance(shortMs + 100);
    const theirs = await take(other, "a");
    assertEquals(theirs.takenOver, true);
    assert(theirs.fence > mine.fence);
    assertEquals(await ask(claims, "a"), { state: "pending", fence: theirs.fence });
  });

  test("refuses done() of an owner whose claim was taken over", async ({ claims, other, advance }) => {
    const mine = await take(claims, "a", shortMs);
    await advance(shortMs + 100);
    const theirs = await take(other, "a");
    assertEquals(await claims.done([done(mine)]), [false]);
    assertEquals((await ask(claims, "a")).state, "pending");
    assertEquals(await other.done([done(theirs)]), [true]);
    assertEquals(await claims.done([done(mine, undefined, 1)]), [false]);
    assertEquals(await ask(claims, "a"), { state: "done", fence: theirs.fence, memo: "" });
  });

  test("takes done() of a late owner while nobody took over", async ({ claims, other, advance }) => {
    const mine = await take(claims, "a", shortMs);
    await advance(shortMs + 100);
    assertEquals(await claims.done([done(mine)]), [true]);
    assertEquals(await ask(other, "a"), { state: "done", fence: mine.fence, memo: "" });
  });

  test("takes done() twice from the same owner", async ({ claims, other }) => {
    const mine = await take(claims, "a");
    assertEquals(await claims.done([done(mine)]), [true]);
    assertEquals(await claims.done([done(mine)]), [true]);
    assertEquals((await ask(other, "a")).state, "done");
  });

  test("refuses a token or a key that was never given", async ({ claims }) => {
    const [a, b] = [await take(claims, "a"), await take(claims, "b")];
    const wrong = [{ key: "a", token: b.token }, { key: "a", token: "" }, { key: "c", token: a.token }];
    assertEquals(await claims.done(wrong.map((claim) => done(claim))), [false, false, false]);
    await claims.release(wrong);
    assertEquals((await ask(claims, "a")).state, "pending");
    assertEquals(await claims.done([done(a), done(b)]), [true, true]);
  });

  test("release() frees a claim at once, and the next owner's fence is greater", async ({ claims, other }) => {
    const mine = await take(claims, "a");
    await claims.release([mine]);
    const theirs = await take(other, "a");
    assertEquals(theirs.takenOver, false);
    assert(theirs.fence > mine.fence);
    assertEquals(await claims.done([done(mine)]), [false]);
  });

  test("release() leaves alone what is done or somebody else's", async ({ claims, other, advance }) => {
    const [a, b] = [await take(claims, "a"), await take(claims, "b", shortMs)];
    await claims.done([done(a)]);
    await advance(shortMs + 100);
    const theirs = await take(other, "b");
    await claims.release([a, b]);
    assertEquals(await ask(claims, "a"), { state: "done", fence: a.fence, memo: "" });
    assertEquals(await ask(claims, "b"), { state: "pending", fence: theirs.fence });
  });

  test("raises the fence of a key with every hand-over", async ({ claims, other, advance }) => {
    const fences: number[] = [];
    for (let i = 0; i < 4; i++) {
      const held = await take(i % 2 === 0 ? claims : other, "a", shortMs);
      fences.push(held.fence);
      if (i === 1) await other.release([held]);
      else await advance(shortMs + 100);
    }
    assertEquals(fences, [...new Set(fences)].sort((x, y) => x - y));
  });

  test("answers in the order of what was asked, each by itself", async ({ claims, other }) => {
    const first = await take(other, "done");
    await other.done([done(first)]);
    const pending = await take(other, "pending");
    const keys = ["x1", "done", "x2", "pending", "x1", "x3", "done"];
    const asked = keys.map((key) => request(key));
    const answers = await claims.take(asked);
    assertEquals(answers.map(({ state }) => state), [
      "taken",
      "done",
      "taken",
      "pending",
      "pending",
      "taken",
      "done",
    ]);
    assertEquals([answers[1].fence, answers[3].fence], [first.fence, pending.fence]);
    assertEquals(answers[4].fence, answers[0].fence);
    const held = asked.filter((_, i) => answers[i].state === "taken");
    const ended = [held[2], { key: "pending", token: "not mine" }, held[0], held[1]];
    assertEquals(await claims.done(ended.map((claim) => done(claim))), [true, false, true, true]);
  });

  test("take() holds on what its owner has, under a new fence", async ({ claims, other, advance }) => {
    const mine = await take(claims, "a", shortMs);
    const [again] = await claims.take([{ ...mine, pendingMs }]);
    assert(again.state === "taken" && !again.takenOver && again.fence > mine.fence);
    await advance(shortMs + 100);
    assertEquals(await ask(other, "a"), { state: "pending", fence: again.fence });
    assertEquals(await claims.done([done(mine)]), [true]);
    assertEquals(await claims.take([{ ...mine, pendingMs }]), [{
      state: "done",
      fence: again.fence,
      memo: "",
    }]);
  });

  test("take() of an owner whose time ran out takes nothing over", async ({ claims, advance }) => {
    const mine = await take(claims, "a", shortMs);
    await advance(shortMs + 100);
    const [again] = await claims.take([{ ...mine, pendingMs }]);
    assert(again.state === "taken" && !again.takenOver && again.fence > mine.fence);
  });

  test("tells those who come later what was told of what is done", async ({ claims, other }) => {
    const memos = ["", "2", '{"a":"é\\n\u2028"}', "m".repeat(10_000)];
    const held = await Promise.all(memos.map((_, i) => take(claims, `k${i}`)));
    const told = await claims.done(held.map((mine, i) => done(mine, memos[i])));
    assertEquals(told, memos.map(() => true));
    const answers = await other.take(held.map(({ key }) => request(key)));
    assertEquals(answers, held.map(({ fence }, i) => ({ state: "done", fence, memo: memos[i] })));
    assertEquals(await claims.done([done(held[1])]), [true]);
    assertEquals(await ask(other, "k1"), { state: "done", fence: held[1].fence, memo: "2" });
  });

  test("mark() does what nobody asked for, for as long as it is kept", async ({ claims, other, advance }) => {
    const free = { key: "a", token: "me" };
    assertEquals(await claims.mark([done(free, "first", 300)]), [false]);
    const answer = await ask(other, "a");
    assert(answer.state === "done" && answer.memo === "first" && answer.fence > 0);
    await advance(500);
    assert((await take(other, "a")).fence > answer.fence);
  });

  test("mark() leaves what somebody else has done, and says so", async ({ claims, other }) => {
    const mine = await take(claims, "a");
    await claims.done([done(mine, "mine")]);
    assertEquals(await other.mark([done({ key: "a", token: "other" }, "theirs")]), [true]);
    assertEquals(await ask(other, "a"), { state: "done", fence: mine.fence, memo: "mine" });
    assertEquals(await claims.mark([done(mine, "mine again")]), [false]);
    assertEquals(await ask(other, "a"), { state: "done", fence: mine.fence, memo: "mine again" });
  });

  test("mark() takes a claim from whoever holds it", async ({ claims, other }) => {
    const [a, b] = [await take(claims, "a"), await take(claims, "b")];
    const marked = await other.mark([done({ key: "a", token: "other" }, "theirs"), done(b, "mine")]);
    assertEquals(marked, [false, false]);
    assertEquals(await claims.done([done(a, "mine")]), [false]);
    assertEquals(await ask(claims, "a"), { state: "done", fence: a.fence, memo: "theirs" });
    assertEquals(await ask(other, "b"), { state: "done", fence: b.fence, memo: "mine" });
  });

  test("takes nothing when nothing is asked", async ({ claims }) => {
    assertEquals(await claims.take([]), []);
    assertEquals(await claims.done([]), []);
    assertEquals(await claims.mark([]), []);
    await claims.release([]);
  });

  test("gives each of many claims asked for at once to exactly one", async ({ claims, other }) => {
    const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
    const rounds = await Promise.all(
      Array.from(
        { length: 20 },
        (_, i) => (i % 2 === 0 ? claims : other).take(keys.map((key) => request(key))),
      ),
    );
    keys.forEach((key, k) => {
      const answers = rounds.map((answers) => answers[k]);
      const owners = answers.filter(({ state }) => state === "taken");
      assertEquals(owners.length, 1, key);
      assertEquals(new Set(answers.map(({ fence }) => fence)), new Set([owners[0].fence]));
    });
  });

  test("gives an expired claim to exactly one of many", async ({ claims, other, advance }) => {
    const mine = await take(claims, "a", shortMs);
    await advance(shortMs + 100);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => ask(i % 2 === 0 ? claims : other, "a")),
    );
    const owners = answers.filter((answer): answer is Taken => answer.state === "taken");
    assertEquals(owners.map(({ takenOver }) => takenOver), [true]);
    assert(owners[0].fence > mine.fence);
  });

  test("keeps keys apart, whatever they hold", async ({ claims, other }) => {
    const keys = [
      "a",
      "a ",
      "A",
      "a:b",
      "a\n",
      "{a}",
      "é",
      "e\u0301",
      "",
      "a".repeat(1_000),
      "*",
      "a\0b",
      "a\0",
    ];
    const answers = await claims.take(keys.map((key) => request(key)));
    assertEquals(answers.map(({ state }) => state), keys.map(() => "taken"));
    const again = await other.take(keys.map((key) => request(key)));
    assertEquals(again.map(({ fence }) => fence), answers.map(({ fence }) => fence));
  });
}
