/**
 * A catalog that is lost or damaged: it is made anew from the parts, and nothing is lost or stored twice for it.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { runWeir } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { overwrite } from "./damage.ts";
import { checkOf, readiness, until } from "./health.ts";
import { journalOnlyConfig, Trial } from "./trial.ts";

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
  "has rotten in the middle": async (path) => {
    mergeLog(path);
    const { size } = await Deno.stat(path);
    await overwrite(path, Math.floor(size / 2), new Uint8Array(20_000).fill(7));
  },
  "is cut in half": async (path) => {
    mergeLog(path);
    await Deno.truncate(path, (await Deno.stat(path)).size >> 1);
  },
};

/** Brings everything into the file itself, so that damage to it is not healed by the log beside it. */
function mergeLog(path: string): void {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}

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

Deno.test("a catalog that rots while the daemon runs is told in health and 503, and made anew by a restart", async () => {
  await using trial = await Trial.start({ seed: 7, config: journalOnlyConfig, areKeyed: false });
  const { daemon, load } = trial;
  for (let i = 0; i < 30; i++) await load.send(daemon.url, load.jobs.batch(200));
  assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
  await trial.restart();
  // Only the front, which says what tables there are, can still be read.
  const path = `${daemon.dataDir}/catalog.sqlite`;
  mergeLog(path);
  await overwrite(path, 4096, new Uint8Array((await Deno.stat(path)).size - 4096).fill(7));
  await until(async () => {
    await load.runSome(daemon.url, 5);
    return (await readiness(daemon)).status === 503;
  });
  const { state, http } = await checkOf(daemon, "catalog");
  assertEquals([state, http], ["failing", 503]);
  const { status, json } = await send(`${daemon.url}/track`, load.jobs.broken().rows[0]);
  assertEquals([status, (json as { code: string }).code], [503, "catalog_failed"]);
  await trial.restart();
  assertEquals((await readiness(daemon)).status, 200);
  await trial.finish();
});

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
