import { assertEquals } from "@std/assert";
import { Inflow } from "../../src/receive/inflow.ts";

Deno.test("Inflow tells which read waits, for how long, and how long all have", () => {
  let ms = 100;
  const inflow = new Inflow({ now: () => ms, monotonic: () => ms }, false);
  const state = (): number[] => [inflow.pendingRead, inflow.silentMs, inflow.waitedMs];
  assertEquals(state(), [0, 0, 0]);
  inflow.wait();
  ms += 5;
  assertEquals(state(), [1, 5, 5]);
  inflow.rest();
  ms += 50;
  assertEquals(state(), [0, 0, 5]);
  inflow.wait();
  ms += 2;
  assertEquals(state(), [2, 2, 7]);
  inflow.rest();
  inflow.rest();
  ms += 1;
  assertEquals(state(), [0, 0, 7]);
});
