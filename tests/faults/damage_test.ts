/**
 * A journal with bytes that rot: what can be read is read, and what cannot is set aside.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { frameHeaderBytes } from "../../src/base/record.ts";
import { magic, readFrames, sealFrame, segmentPath } from "../../src/journal/segment.ts";
import { send } from "../support/http.ts";
import { filesBelow } from "../support/parts.ts";
import { appendToSegment, overwrite } from "./damage.ts";
import { checkOf, metric, readiness } from "./health.ts";
import { assertKept } from "./ledger.ts";
import { assertNothingWaits } from "./stored.ts";
import { journalOnlyConfig, Trial } from "./trial.ts";

const encoder = new TextEncoder();

/** One frame of a segment with the numbers of its rows. */
interface Found {
  readonly from: number;
  readonly to: number;
  readonly rows: number[];
}

/** A daemon that was killed with many segments, all of whose batches were acknowledged. */
async function killedTrial(seed: number): Promise<Trial> {
  const config = { ...journalOnlyConfig, journal: { segment_bytes: "64KiB" } };
  const trial = await Trial.start({ seed, config, areKeyed: false });
  for (let i = 0; i < 40; i++) assert(await trial.load.send(trial.daemon.url, trial.load.jobs.batch(10 + i)));
  await trial.daemon.kill9();
  return trial;
}

/** An old segment and its frames, of which there are some. */
async function oldSegment(trial: Trial): Promise<{ path: string; frames: Found[] }> {
  for (let segment = 1;; segment++) {
    const path = segmentPath(`${trial.dataDir}/journal`, segment);
    const frames: Found[] = [];
    for await (const { offset, payload } of readFrames(path)) {
      const lines = new TextDecoder().decode(payload).trim().split("\n");
      const rows = lines.map((line) => JSON.parse(line).properties.n);
      frames.push({ from: offset, to: offset + payload.length, rows });
    }
    if (frames.length >= 5) return { path, frames };
  }
}

/** The last segment that holds frames; one behind it may have been begun. */
async function lastSegment({ dataDir }: Trial): Promise<string> {
  const paths = (await filesBelow(dataDir, "journal")).map((path) => `${dataDir}/${path}`);
  return paths.findLast((path) => Deno.statSync(path).size > magic.length)!;
}

const damages: Record<string, (path: string, frames: Found[]) => Promise<Found[]>> = {
  "a flipped bit": async (path, frames) => {
    const victim = frames[frames.length >> 1];
    const at = (victim.from + victim.to) >> 1;
    const bytes = await Deno.readFile(path);
    await overwrite(path, at, bytes.slice(at, at + 1).map((byte) => byte ^ 4));
    return [victim];
  },
  "zeros over several frames, lengths among them": async (path, frames) => {
    const victims = frames.slice(1, 4);
    const from = victims[0].from + 10;
    await overwrite(path, from, new Uint8Array(victims[2].from + 10 - from));
    return victims;
  },
  "an end that is missing": async (path, frames) => {
    const victims = frames.slice(-2);
    await Deno.truncate(path, victims[0].from + 5);
    return victims;
  },
};

for (const [damage, inflict] of Object.entries(damages)) {
  Deno.test(`an old segment with ${damage}: the piece is set aside and counted, all other rows are kept`, async () => {
    await using trial = await killedTrial(1);
    const { path, frames } = await oldSegment(trial);
    const victims = await inflict(path, frames);
    for (const row of victims.flatMap(({ rows }) => rows)) {
      const sent = trial.ledger.of(row);
      sent.safe = 0;
      sent.isRefused = true;
    }
    await trial.restart();
    const { daemon } = trial;
    assertEquals((await readiness(daemon)).status, 200);
    assertEquals(await metric(daemon, "weir_quarantined_total"), 1);
    const { http, status, state, figures } = await checkOf(daemon, "quarantine");
    assertEquals([http, status, state, figures], [200, "degraded", "degraded", { files: 1 }]);
    const line = await daemon.waitForLog("A damaged piece of the journal is set aside");
    assertEquals(line.level, "error");
    assert((await Deno.stat(`${daemon.dataDir}/${line.file}`)).size > 0);
    // A second start finds the same damage, and sets nothing aside twice.
    await trial.restart();
    assertEquals((await filesBelow(daemon.dataDir, "quarantine")).length, 1);
    assertEquals((await checkOf(daemon, "quarantine")).state, "degraded");
    for (let i = 0; i < 5; i++) assert(await trial.load.send(daemon.url, trial.load.jobs.batch(20)));
    assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
    assertEquals(await daemon.stop(), 0);
    await assertNothingWaits(daemon.dataDir);
    await assertKept(trial.ledger, daemon.dataDir);
  });
}

Deno.test("a torn end of the journal is cut off, and no row before it is lost", async () => {
  await using trial = await killedTrial(2);
  const { path, frames: [{ from, to }] } = await oldSegment(trial);
  const half = (await Deno.readFile(path)).subarray(from - frameHeaderBytes, (from + to) >> 1);
  await appendToSegment(await lastSegment(trial), half);
  await trial.restart();
  assertEquals(await metric(trial.daemon, "weir_quarantined_total"), 0);
  await trial.finish();
});

Deno.test("a whole frame that is none of ours is set aside, and keeps nothing else from being read", async () => {
  await using trial = await killedTrial(6);
  const frame = new Uint8Array([
    ...new Uint8Array(frameHeaderBytes),
    ...encoder.encode('{"kind":"later"}\n'),
  ]);
  sealFrame(frame);
  await appendToSegment(await lastSegment(trial), frame);
  await trial.restart();
  assertEquals(await metric(trial.daemon, "weir_quarantined_total"), 1);
  assertEquals((await readiness(trial.daemon)).status, 200);
  const [file] = await filesBelow(trial.dataDir, "quarantine");
  assertEquals(await Deno.readFile(`${trial.dataDir}/${file}`), frame);
  await trial.finish();
});
