import { setImmediate } from "node:timers";
import { assertEquals, assertRejects } from "@std/assert";
import { BriefWork } from "../../../src/dialects/trace_files/brief_work.ts";

/** Work with a clock of its own. */
class Bench {
  now = 0;
  readonly #work = new BriefWork({ monotonic: () => this.now });

  /** A piece that takes so many ms when it blocks, and none when it does not. @returns which way it went */
  take(ms: number): Promise<string> {
    return this.#work.run(() => {
      this.now += ms;
      return "brief";
    }, () => Promise.resolve("slow"));
  }

  /** A piece that fails after so many ms. */
  fail(ms: number): Promise<never> {
    return this.#work.run(() => {
      this.now += ms;
      throw new Error("slow and broken");
    }, () => Promise.reject(new Error("not blocking")));
  }
}

Deno.test("BriefWork.run() lets others have a turn after 2 ms of work, whoever has done it", async () => {
  const bench = new Bench();
  const order: string[] = [];
  const others = new Promise<void>((resolve) =>
    setImmediate(() => {
      order.push("others");
      resolve();
    })
  );
  const work = (name: string): Promise<unknown> => bench.take(1).then(() => order.push(name));
  await Promise.all([others, ...["a", "b", "c", "d", "e"].map(work)]);
  assertEquals(order, ["a", "b", "others", "c", "d", "e"]);
});

Deno.test("BriefWork.run() blocks nobody for 5 s after a piece was held up by the disk, also where it failed", async () => {
  const bench = new Bench();
  assertEquals([await bench.take(20), await bench.take(1)], ["brief", "brief"]);
  await assertRejects(() => bench.fail(21), Error, "slow and broken");
  assertEquals(await bench.take(1), "slow");
  bench.now += 4_999;
  assertEquals(await bench.take(1), "slow");
  bench.now += 1;
  assertEquals(await bench.take(1), "brief");
});
