/**
 * Bytes that rot, and a catalog that is lost: what can be read is read, what cannot is set aside, and nothing is
 * stored twice for it.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { frameHeaderBytes } from "../../src/base/record.ts";
import { readFrames, sealFrame, segmentPath } from "../../src/journal/segment.ts";
import { runWeir } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { filesBelow } from "../support/parts.ts";
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

/** Writes over a file without changing its length. */
async function overwrite(path: string, at: number, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(at, Deno.SeekMode.Start);
  await file.write(bytes);
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
    const line = await daemon.waitForLog("A damaged piece of the journal is set aside");
    assertEquals(line.level, "error");
    assert((await Deno.stat(`${daemon.dataDir}/${line.file}`)).size > 0);
    // A second start finds the same damage, and sets nothing aside twice.
    await trial.restart();
    assertEquals((await filesBelow(daemon.dataDir, "quarantine")).length, 1);
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
  const last = (await filesBelow(trial.dataDir, "journal")).at(-1)!;
  await Deno.writeFile(`${trial.dataDir}/${last}`, half, { append: true });
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
  const last = (await filesBelow(trial.dataDir, "journal")).at(-1)!;
  await Deno.writeFile(`${trial.dataDir}/${last}`, frame, { append: true });
  await trial.restart();
  assertEquals(await metric(trial.daemon, "weir_quarantined_total"), 1);
  assertEquals((await readiness(trial.daemon)).status, 200);
  const [file] = await filesBelow(trial.dataDir, "quarantine");
  assertEquals(await Deno.readFile(`${trial.dataDir}/${file}`), frame);
  await trial.finish();
});

const catalogLosses: Record<string, (path: string) => Promise<void>> = {
  "is gone": async (path) => {
    for (const end of ["", "-wal", "-shm"]) await Deno.remove(path + end).catch(() => undefined);
  },
  "is gone, its log left behind": (path) => Deno.remove(path),
  "is empty": async (path) => {
    await Deno.remove(`${path}-wal`).catch(() => undefined);
    await Deno.truncate(path, 0);
  },
  "is garbage": (path) => Deno.writeFile(path, crypto.getRandomValues(new Uint8Array(50_000))),
  "is cut in half": async (path) => {
    await Deno.remove(`${path}-wal`).catch(() => undefined);
    await Deno.truncate(path, (await Deno.stat(path)).size >> 1);
  },
};

for (const [loss, lose] of Object.entries(catalogLosses)) {
  Deno.test(`a catalog that ${loss} is made anew; parts and journal lose and double nothing, ids are known`, async () => {
    // Killed between naming parts and the commit: the same rows lie in parts and in the journal.
    const faults = "flush.renamed:pause:4";
    await using trial = await Trial.start({ seed: 3, areKeyed: false, faults });
    await trial.loadUntil(trial.stoppedAt("flush.renamed"));
    await trial.sendSome(30);
    await trial.daemon.kill9();
    await lose(`${trial.dataDir}/catalog.sqlite`);
    await trial.restart();
    assertEquals((await readiness(trial.daemon)).status, 200);
    // Ends with sending rows again that were acknowledged before the loss.
    await trial.sendSome(30);
    await trial.finish();
  });
}

Deno.test("weir reindex makes the catalog anew while no daemon runs, and the next start goes on from it", async () => {
  await using trial = await Trial.start({ seed: 4, areKeyed: false });
  const { daemon } = trial;
  await trial.sendSome(60);
  await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" });
  await trial.sendSome(30);
  const inUse = await runWeir(["reindex", "--data-dir", daemon.dataDir]);
  assertEquals([inUse.code, inUse.stderr.includes(String(daemon.pid))], [75, true]);
  await daemon.kill9();
  await Deno.writeTextFile(`${daemon.dataDir}/catalog.sqlite`, "no catalog");
  const { code, stdout } = await runWeir(["reindex", "--data-dir", daemon.dataDir]);
  assertEquals([code, stdout.startsWith("Catalog built from ")], [0, true]);
  const from = daemon.logs().length;
  await trial.restart();
  assert(!daemon.logs().slice(from).some(({ level }) => level === "warn" || level === "error"));
  await trial.finish();
});

Deno.test("a batch that was replaced stays replaced after a crash, also while its segment is still there", async () => {
  await using trial = await Trial.start({ seed: 5, config: journalOnlyConfig });
  const { daemon } = trial;
  const url = (): string => `${daemon.url}/v1/sessions/S`;
  const post = async (entry: unknown): Promise<void> => {
    assertEquals((await send(`${url()}/backend`, { entries: [entry] })).status, 201);
  };
  const flush = async (): Promise<void> => {
    assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
  };
  const stored = async (): Promise<unknown> => {
    const { json } = await send(`${url()}/traces`);
    // deno-lint-ignore no-explicit-any -- looked into as a client would
    return (json as any).items[0].traces[0].batches.map((batch: any) => batch.trace);
  };
  const journal = `${daemon.dataDir}/journal`;
  const segments = new Map<string, Uint8Array>();
  for (const event of ["first", "second"]) {
    await post({ rid: "R", trace: [event], traceBatch: { rid: "R", index: 0, total: 1 } });
    for await (const { name } of Deno.readDir(journal)) {
      segments.set(name, await Deno.readFile(`${journal}/${name}`));
    }
    await flush();
  }
  assertEquals(await stored(), [["second"]]);
  await daemon.kill9();
  // As if the daemon had died before it removed them.
  for (const [name, bytes] of segments) await Deno.writeFile(`${journal}/${name}`, bytes);
  await trial.restart();
  assertEquals(await stored(), [["second"]]);
  assertEquals((await checkOf(daemon, "index")).figures!.requests, 0);
  await flush();
  assertEquals(await stored(), [["second"]]);
});
