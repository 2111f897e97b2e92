/**
 * The daemon is killed at each step of a flush, of the journal and of its own start, and twice in a row.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { FaultPlace } from "../../src/base/faults.ts";
import { namesIn } from "../journal/support.ts";
import { journalOnlyConfig, Trial } from "./trial.ts";

/** Place, and how often the daemon comes by before it stands still there. */
type Stop = readonly [place: FaultPlace, count: number];

const flushStops: Stop[] = [
  ["flush.started", 1],
  ["flush.started", 3],
  ["flush.part_written", 1],
  ["flush.part_written", 5],
  ["flush.renamed", 1],
  ["flush.renamed", 3],
  ["flush.committed", 1],
  ["flush.committed", 3],
];

for (const [place, count] of flushStops) {
  Deno.test(`kill -9 at ${place}, time ${count}: what was acknowledged before and meanwhile is there once`, async () => {
    await using trial = await Trial.start({ seed: count, faults: `${place}:pause:${count}` });
    await trial.loadUntil(trial.stoppedAt(place));
    const before = trial.ledger.safe;
    // Only the flush worker stands still: requests are answered.
    await trial.sendSome(60);
    assert(trial.ledger.safe > before);
    await trial.restart();
    await trial.sendSome(60);
    await trial.finish();
  });
}

const journalStops: Stop[] = [
  ["journal.write", 1],
  ["journal.write", 60],
  ["journal.written", 1],
  ["journal.written", 60],
  ["journal.fsync", 1],
  ["journal.fsync", 60],
  ["journal.rotate", 1],
  ["journal.rotate", 4],
];

for (const [place, count] of journalStops) {
  Deno.test(`kill -9 at ${place}, time ${count}: what was acknowledged before is there once`, async () => {
    await using trial = await Trial.start({ seed: count, faults: `${place}:pause:${count}` });
    const sending = trial.load.run(trial.daemon.url);
    await trial.stoppedAt(place);
    await trial.daemon.kill9();
    await sending;
    await trial.restart();
    await trial.sendSome(60);
    await trial.finish();
  });
}

/** Of a large frame's seven pieces; the last one is written when no small frame is. */
const largeStops: Stop[] = [
  ["journal.piece", 1],
  ["journal.piece_written", 4],
  ["journal.piece_fsync", 7],
  ["journal.piece_stored", 1],
  ["journal.piece_stored", 2],
];

for (const [place, count] of largeStops) {
  Deno.test(`kill -9 at ${place}, time ${count}, of large bodies beside small ones: each is there once or not at all`, async () => {
    await using trial = await Trial.start({ seed: count, faults: `${place}:pause:${count}` });
    // Sessions have begun, so that small frames may overtake large ones.
    await trial.sendSome(20);
    const large = (["rows", "request", "rows"] as const).map((by) => trial.load.jobs.large(by));
    const sending = large.map((job) => trial.load.send(trial.daemon.url, job));
    const beside = trial.load.run(trial.daemon.url);
    await trial.stoppedAt(place);
    await trial.daemon.kill9();
    const areSafe = await Promise.all(sending);
    assert(areSafe.includes(false), "the large body that was under way was answered");
    await beside;
    await trial.restart();
    // Also those whose fate is known.
    const again = large.map((job) => trial.load.send(trial.daemon.url, job));
    await trial.sendSome(60);
    assertEquals(await Promise.all(again), [true, true, true]);
    await trial.finish();
    assertEquals(await namesIn(`${trial.dataDir}/quarantine`), []);
  });
}

const recoveryStops: Stop[] = [["recover.frame", 1], ["recover.frame", 40], ["recover.done", 1]];

for (const [place, count] of recoveryStops) {
  Deno.test(`kill -9 at ${place}, time ${count}: the next start reads all of the journal back`, async () => {
    await using trial = await Trial.start({ seed: count, config: journalOnlyConfig });
    await trial.sendSome(120);
    await trial.restart({ faults: `${place}:pause:${count}`, until: "spawned" });
    await trial.stoppedAt(place);
    await trial.restart();
    await trial.sendSome(20);
    await trial.finish();
  });
}

Deno.test("kill -9 in one flush, in the recovery after it, and in the flush after that loses and doubles nothing", async () => {
  await using trial = await Trial.start({ seed: 7, faults: "flush.renamed:pause:2" });
  await trial.loadUntil(trial.stoppedAt("flush.renamed"));
  await trial.sendSome(40);
  for (const place of ["flush.part_written", "flush.committed", "flush.renamed", "flush.started"] as const) {
    await trial.restart({ faults: "recover.frame:pause:2", until: "spawned" });
    await trial.stoppedAt("recover.frame");
    await trial.restart({ faults: "recover.done:pause", until: "spawned" });
    await trial.stoppedAt("recover.done");
    await trial.restart({ faults: `${place}:pause` });
    await trial.loadUntil(trial.stoppedAt(place));
    await trial.sendSome(40);
  }
  await trial.restart();
  await trial.finish();
});
