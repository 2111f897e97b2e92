import { assertEquals } from "@std/assert";
import { limitQuarantine, listQuarantine } from "../../src/flush/quarantine_limits.ts";
import { tempDir } from "../support/temp.ts";
import { addEvent, HandClock, openHouse } from "./house.ts";

const day = 86_400_000;

/** Files of 1000 bytes in quarantine/, in this order. */
async function setAside(dataDir: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const full = `${dataDir}/quarantine/${path}`;
    await Deno.mkdir(full.slice(0, full.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(full, "x".repeat(1_000));
  }
}

function namesIn(dataDir: string): string[] {
  return listQuarantine(dataDir).map(({ path }) => path);
}

Deno.test("limitQuarantine() removes the oldest files by bytes, however young, and no more than it must", async () => {
  await using dir = await tempDir();
  await setAside(dir.path, ["1.bin", "2.bin", "3.bin", "4.bin"]);
  const report = limitQuarantine({ maxAgeMs: 0, maxBytes: 2_500 }, Date.now(), dir.path);
  assertEquals(report, { age: 0, excess: 2, bytes: 2_000 });
  assertEquals(namesIn(dir.path), ["quarantine/3.bin", "quarantine/4.bin"]);
  const again = limitQuarantine({ maxAgeMs: 0, maxBytes: 2_000 }, Date.now(), dir.path);
  assertEquals(again, { age: 0, excess: 0, bytes: 0 });
});

Deno.test("limitQuarantine() removes by age, folders that become empty with it, and nothing within a day", async () => {
  await using dir = await tempDir();
  await setAside(dir.path, ["1.bin", "parts/events/project=a/date=2026-01-01/1-1.ndjson"]);
  const now = Date.now();
  const limits = { maxAgeMs: 60_000, maxBytes: 0 };
  assertEquals(limitQuarantine(limits, now + day - 60_000, dir.path).age, 0);
  assertEquals(limitQuarantine({ ...limits, maxAgeMs: 3 * day }, now + 2 * day, dir.path).age, 0);
  assertEquals(limitQuarantine(limits, now + day + 60_000, dir.path), { age: 2, excess: 0, bytes: 2_000 });
  assertEquals([...Deno.readDirSync(`${dir.path}/quarantine`)], []);
});

Deno.test("limitQuarantine() counts a file's age from when it was set aside, not from when it was written", async () => {
  await using dir = await tempDir();
  await Deno.mkdir(`${dir.path}/quarantine`);
  await Deno.writeTextFile(`${dir.path}/part`, "old");
  await Deno.utime(`${dir.path}/part`, new Date(0), new Date(0));
  await Deno.rename(`${dir.path}/part`, `${dir.path}/quarantine/part`);
  assertEquals(limitQuarantine({ maxAgeMs: day, maxBytes: 0 }, Date.now() + 1_000, dir.path).age, 0);
  assertEquals(namesIn(dir.path), ["quarantine/part"]);
});

Deno.test("limitQuarantine() keeps everything at 0, and takes a folder that is not there for an empty one", async () => {
  await using dir = await tempDir();
  const none = { age: 0, excess: 0, bytes: 0 };
  assertEquals(limitQuarantine({ maxAgeMs: day, maxBytes: 1 }, Date.now(), dir.path), none);
  await setAside(dir.path, ["1.bin"]);
  assertEquals(limitQuarantine({ maxAgeMs: 0, maxBytes: 0 }, Date.now() + 999 * day, dir.path), none);
});

Deno.test("a flush bounds the quarantine, and counts what it removed", async () => {
  await using dir = await tempDir();
  const keep = { maxAgeMs: 0, maxBytes: 0, identityKeepMs: 5 * day, replyKeepMs: day };
  await using house = await openHouse(dir.path, {
    clock: new HandClock(),
    retention: { ...keep, quarantine: { maxAgeMs: 0, maxBytes: 1_500 } },
  });
  await setAside(dir.path, ["1.bin", "2.bin"]);
  await house.append((unit) => addEvent(unit, { id: "1" }));
  await house.flusher.flush("all");
  assertEquals(namesIn(dir.path), ["quarantine/2.bin"]);
  const { values } = await house.metrics.counter("weir_quarantine_removed_total").get();
  assertEquals(values.map(({ labels, value }) => [labels.reason, value]), [["age", 0], ["bytes", 1]]);
});
