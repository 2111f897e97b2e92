/**
 * The daemon under load is killed again and again, at moments that chance picks, and started on what it left.
 * @module
 */

import { assert } from "@std/assert";
import { readWhole } from "./stored.ts";
import { busyConfig, Trial } from "./trial.ts";

const isSoak = Deno.env.get("SOAK") === "1";
const seed = Number(Deno.env.get("SEED") ?? 20261120);

/** Longest time that a daemon lives. */
const maxLifeMs = 900;
/** Longest time that a daemon has to stop before it is killed. */
const maxStopMs = 250;
/** Rows that each life must have acknowledged on average: a load of nothing would pass every other check. */
const leastRows = 100;

interface CrashSettings {
  readonly durability: "fsync" | "write";
  readonly compression: "none" | "zstd";
}

/** How {@link crash} goes about it. */
interface CrashOptions {
  readonly durability: "fsync" | "write";
  readonly compression: "none" | "zstd";
  readonly seed: number;
}

/** Kills a daemon so many times: mostly under load, now and then before it listens or while it is stopping. */
async function crash(kills: number, { durability, compression, seed }: CrashOptions): Promise<void> {
  const config = { ...busyConfig, durability, flush: { ...busyConfig.flush, compression } };
  await using trial = await Trial.start({ seed, config });
  const { daemon, ledger, load, random } = trial;
  for (let kill = 1; kill <= kills; kill++) {
    const isListening = daemon.url !== "";
    const sending = isListening ? load.run(daemon.url) : undefined;
    await pause(random() * (isListening ? maxLifeMs : maxLifeMs / 2));
    if (random() < 0.15) {
      daemon.signal("SIGTERM");
      await pause(random() * maxStopMs);
    }
    await daemon.kill9();
    await sending;
    if (kill % 10 === 0) await readWhole(daemon.dataDir);
    await trial.restart({ until: kill === kills ? "ready" : random() < 0.2 ? "spawned" : "listening" });
  }
  const { parts } = await trial.finish();
  const { safe, count } = ledger;
  assert(safe > kills * leastRows && parts > kills, `${safe} of ${count} rows are safe, in ${parts} parts`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("kill -9 at any moment loses no acknowledged row, doubles none and leaves no half request", async () => {
  await crash(isSoak ? 500 : 50, { durability: "fsync", compression: "none", seed });
});

Deno.test("kill -9 loses nothing with durability write and compressed parts either", async () => {
  await crash(isSoak ? 100 : 10, { durability: "write", compression: "zstd", seed: seed + 1 });
});
