import { assert, assertEquals } from "@std/assert";
import { tempDir } from "../support/temp.ts";
import { addEvent, openHouse } from "./house.ts";

Deno.test("a flush of 64 MiB leaves the main thread free", async () => {
  await using dir = await tempDir();
  await using house = await openHouse(dir.path);
  let rows = 0;
  while (house.journal.bytesSinceRotate < 64 * 1024 * 1024) {
    await house.append((unit) => {
      for (let i = 0; i < 1000; i++) {
        addEvent(unit, { id: `${rows++}`, insertId: `insert ${rows}`, padding: 300 }, i);
      }
    });
  }
  let turns = 0, last = performance.now(), longestMs = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    longestMs = Math.max(longestMs, now - last);
    last = now;
    turns++;
  }, 1);
  const report = await house.flusher.flush("due");
  clearInterval(timer);
  assertEquals(report.rows, rows);
  // On a machine with nothing else to do it is below 10 ms; on this thread a flush would take 500 at least.
  assert(turns > 20 && longestMs < 250, `${turns} turns, the longest ${longestMs} ms`);
});
