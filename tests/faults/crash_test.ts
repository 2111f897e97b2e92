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
/** Rows that each life must have acknowledged on average: a load of nothing would pass every other check. */
const leastRows = 100;

/** Kills a daemon so many times; every fifth life may end before the daemon listens. */
async function crash(
  kills: number,
  { durability, seed }: { durability: string; seed: number },
): Promise<void> {
  await using trial = await Trial.start({ seed, config: { ...busyConfig, durability } });
  const { daemon, ledger, load, random } = trial;
  for (let kill = 1; kill <= kills; kill++) {
    const isListening = daemon.url !== "";
    const sending = isListening ? load.run(daemon.url) : undefined;
    await pause(random() * (isListening ? maxLifeMs : maxLifeMs / 2));
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
  await crash(isSoak ? 500 : 50, { durability: "fsync", seed });
});

Deno.test("kill -9 loses nothing with durability write either: the kernel has it", async () => {
  await crash(isSoak ? 100 : 8, { durability: "write", seed: seed + 1 });
});
