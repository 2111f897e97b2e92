/**
 * A process to be killed: reads the journal back, then appends numbered frames from many sides at once, and prints
 * each number when its frame is acknowledged. `recovered N` comes first; `refused CODE` ends it.
 *
 * Arguments: folder, first number of this run, seed, durability, least bytes of a large frame.
 * @module
 */

import { systemClock } from "../../src/base/clock.ts";
import { WeirError } from "../../src/base/errors.ts";
import { createLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { Journal } from "../../src/journal/append.ts";
import { recoverJournal } from "../../src/journal/recover.ts";
import { randomFrom } from "./random.ts";
import { line, trackedFrame } from "./support.ts";

const [root, first, seed, durability, largeFrameBytes] = Deno.args;
const random = randomFrom(Number(seed));
const log = createLog({ clock: systemClock, write: () => {} });
const metrics = createMetrics();
const dir = `${root}/journal`;

let frames = 0;
const { nextSegment } = await recoverJournal({
  dir,
  quarantineDir: `${root}/quarantine`,
  largeFrameBytes: Number(largeFrameBytes),
  log,
  metrics,
  onFrame: () => void frames++,
});
say(`recovered ${frames}`);

const journal = await Journal.open({
  dir,
  durability: durability === "write" ? "write" : "fsync",
  segmentBytes: 300_000,
  firstSegment: nextSegment,
  largeFrameBytes: Number(largeFrameBytes),
  pieceBytes: 40_000,
  clock: systemClock,
  log,
  metrics,
});
let next = Number(first);
let refused: string | undefined;
await Promise.all(Array.from({ length: 12 }, appendForEver));
say(`refused ${refused}`);
await journal.close();

async function appendForEver(): Promise<void> {
  while (refused === undefined) {
    const n = next++;
    // Mostly small, now and then large enough for a kill to come in the middle of its write.
    const padding = random() < 0.05 ? 200_000 : Math.floor(random() * 500);
    if (random() < 0.01) journal.rotate().catch(() => undefined);
    try {
      await journal.append(trackedFrame(line(n, padding)));
      say(String(n));
    } catch (error) {
      refused = error instanceof WeirError ? error.code : String(error);
    }
  }
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}
