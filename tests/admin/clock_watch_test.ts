import { assertEquals } from "@std/assert";
import { ClockWatch } from "../../src/admin/clock_watch.ts";
import { createLog } from "../../src/base/log.ts";

Deno.test("ClockWatch is degraded from when the clock goes back until it has caught up, and logs it once", () => {
  let now = 10_000;
  const clock = { now: () => now, monotonic: () => 0 };
  const lines: { message: string; duration_ms: number }[] = [];
  const watch = new ClockWatch(clock, createLog({ clock, write: (line) => lines.push(JSON.parse(line)) }));
  const states: [number, string][] = [];
  for (now of [20_000, 19_500, 12_000, 15_000, 19_000, 25_000, 20_000]) {
    const { state, figures } = watch.check();
    states.push([Number(figures!.behind_ms), state]);
  }
  assertEquals(states, [
    [0, "ok"],
    [0, "ok"],
    [8_000, "degraded"],
    [5_000, "degraded"],
    [0, "ok"],
    [0, "ok"],
    [5_000, "degraded"],
  ]);
  assertEquals(lines.map(({ message, duration_ms }) => [message, duration_ms]), [
    ["The clock went back", 8_000],
    ["The clock went back", 5_000],
  ]);
});
