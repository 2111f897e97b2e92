/**
 * Disks that are full, cannot be written, or fail a sync: clients are told, health says so, nothing that was
 * acknowledged is lost, and what can pass, passes without a restart.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { type Reply, send } from "../support/http.ts";
import { smallDisk, tempDir } from "../support/temp.ts";
import { checkOf, isLive, metric, readiness, until } from "./health.ts";
import { bodyOf, type Job } from "./jobs.ts";
import { journalOnlyConfig, Trial } from "./trial.ts";

const miB = 1024 * 1024;
const needsMount = { ignore: !await canMount() };

/** May this user mount a file system of its own? Without, there is no disk to fill. */
async function canMount(): Promise<boolean> {
  await using disk = await smallDisk(miB);
  return disk !== undefined;
}

/** Sends a job by itself and returns the reply. */
async function post(daemon: Daemon, job: Job): Promise<Reply> {
  const reply = await send(daemon.url + job.path, bodyOf(job), { headers: { ...job.headers } });
  if (reply.status < 300) job.sent.safe = job.sent.count;
  else job.sent.isRefused = true;
  return reply;
}

/** Sends batches until one is refused, and returns that reply. */
async function postUntilRefused({ daemon, load }: Trial): Promise<Reply> {
  for (let sent = 0; sent < 1000; sent++) {
    const reply = await post(daemon, load.jobs.batch(200));
    if (reply.status !== 202) return reply;
  }
  throw new Error("Batch after batch is taken");
}

function assertRefusal({ status, headers, json }: Reply, code: string): void {
  const error = json as { code: string; retryable: boolean; message: string };
  assertEquals([status, error.code, error.retryable], [503, code, true]);
  assert(Number(headers.get("retry-after")) >= 1);
  assert(!error.message.includes("/tmp"), error.message);
}

Deno.test({
  ...needsMount,
  name:
    "a disk below disk.min_free_bytes refuses rows while it can still flush, and goes on once there is room",
  async fn(): Promise<void> {
    await using disk = (await smallDisk(24 * miB))!;
    const config = { disk: { min_free_bytes: "8MiB" } };
    await using trial = await Trial.start({ seed: 1, config, dataDir: `${disk.path}/data` });
    const { daemon, load } = trial;
    await trial.sendSome(40);
    assertEquals(load.surprises, []);
    await Deno.writeFile(`${disk.path}/ballast`, new Uint8Array(16 * miB));
    await until(async () => (await readiness(daemon)).status === 503);
    assertEquals((await readiness(daemon)).failing.map(({ name }) => name), ["disk"]);
    assertEquals((await checkOf(daemon, "disk")).state, "failing");
    assert(await isLive(daemon));
    assertRefusal(await post(daemon, load.jobs.single()), "storage_full");
    assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
    await Deno.remove(`${disk.path}/ballast`);
    await until(async () => (await readiness(daemon)).status === 200);
    assertEquals((await post(daemon, load.jobs.batch(50))).status, 202);
    await trial.finish();
  },
});

Deno.test({
  ...needsMount,
  name:
    "a disk that is full to the last byte costs no acknowledged row, and is found to have room without a restart",
  async fn(): Promise<void> {
    await using disk = (await smallDisk(8 * miB))!;
    const config = { ...journalOnlyConfig, disk: { min_free_bytes: 0 } };
    await using trial = await Trial.start({ seed: 2, config, dataDir: `${disk.path}/data` });
    const { daemon, load } = trial;
    await trial.sendSome(40);
    await Deno.writeFile(`${disk.path}/ballast`, new Uint8Array(5 * miB));
    assertRefusal(await postUntilRefused(trial), "storage_full");
    const { state, reason } = await checkOf(daemon, "journal");
    assertEquals([state, reason], ["failing", "write: ENOSPC"]);
    assertEquals((await readiness(daemon)).status, 503);
    assert(await isLive(daemon));
    await Deno.remove(`${disk.path}/ballast`);
    // Nobody sends while it is not ready, and no flush is due, so it must find out by itself.
    await until(async () => (await readiness(daemon)).status === 200);
    assertEquals((await post(daemon, load.jobs.batch(50))).status, 202);
    await trial.finish();
  },
});

Deno.test({
  ...needsMount,
  name:
    "a flush that finds no room says so, keeps the rows in the journal, and writes them once there is room",
  async fn(): Promise<void> {
    await using disk = (await smallDisk(8 * miB))!;
    const config = { ...journalOnlyConfig, disk: { min_free_bytes: 0 } };
    await using trial = await Trial.start({ seed: 11, config, dataDir: `${disk.path}/data` });
    const { daemon } = trial;
    await trial.sendSome(60);
    await fillUp(disk.path);
    const flush = (): Promise<Reply> => send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" });
    assertRefusal(await flush(), "storage_full");
    const { state, http } = await checkOf(daemon, "flush");
    assertEquals([state, http], ["degraded", 200]);
    await Deno.remove(`${disk.path}/rest`);
    assertEquals((await flush()).status, 200);
    assertEquals((await checkOf(daemon, "flush")).state, "ok");
    await trial.finish();
  },
});

Deno.test({
  ...needsMount,
  name: "a daemon that is killed on a full disk starts again once there is room, with every acknowledged row",
  async fn(): Promise<void> {
    await using disk = (await smallDisk(8 * miB))!;
    const config = { disk: { min_free_bytes: 0 } };
    await using trial = await Trial.start({ seed: 3, config, dataDir: `${disk.path}/data` });
    const { daemon } = trial;
    await Deno.writeFile(`${disk.path}/ballast`, new Uint8Array(5 * miB));
    assertRefusal(await postUntilRefused(trial), "storage_full");
    await daemon.kill9();
    await fillUp(disk.path);
    await trial.restart({ until: "spawned" });
    assertEquals(await daemon.exit(), 1);
    const line = daemon.logs().at(-2)!;
    assertEquals(line.message, "Cannot start");
    assert(
      String(line.error).includes("ENOSPC") && !String(line.error).includes(disk.path),
      String(line.error),
    );
    await Deno.remove(`${disk.path}/ballast`);
    await Deno.remove(`${disk.path}/rest`);
    await trial.restart();
    await trial.finish();
  },
});

/** Writes until not a byte more fits. */
async function fillUp(path: string): Promise<void> {
  using file = await Deno.open(`${path}/rest`, { create: true, write: true });
  for (;;) {
    try {
      await file.write(new Uint8Array(4096));
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOSPC") throw error;
      return;
    }
  }
}

Deno.test("a write that finds no room is refused with storage_full, and the rows before it stay", async () => {
  await using trial = await Trial.start({
    seed: 4,
    config: journalOnlyConfig,
    faults: "journal.write:enospc:20",
  });
  const { daemon } = trial;
  assertRefusal(await postUntilRefused(trial), "storage_full");
  assertEquals((await checkOf(daemon, "journal")).reason, "write: ENOSPC");
  assertEquals(await metric(daemon, "weir_journal_failed"), 0);
  assert(trial.ledger.safe > 0);
  await trial.restart();
  await trial.finish();
});

for (const place of ["journal.fsync", "journal.written", "journal.rotate"] as const) {
  Deno.test(`an error at ${place} is final: 503 until a restart, which finds every acknowledged row`, async () => {
    const faults = `${place}:error:${place === "journal.rotate" ? 2 : 15}`;
    await using trial = await Trial.start({ seed: 5, config: journalOnlyConfig, faults });
    const { daemon, load } = trial;
    await trial.sendSome(5);
    assertRefusal(await postUntilRefused(trial), "journal_failed");
    const { failing, status } = await readiness(daemon);
    assertEquals([status, failing.map(({ name }) => name)], [503, ["journal"]]);
    const health = await checkOf(daemon, "journal");
    assertEquals([health.http, health.status, health.state], [503, "failing", "failing"]);
    assert(health.reason!.includes("EIO"), health.reason);
    assertEquals(await metric(daemon, "weir_journal_failed"), 1);
    assertEquals(await metric(daemon, "weir_ready"), 0);
    assert(await isLive(daemon));
    // It stays so.
    for (const job of [load.jobs.single(), load.jobs.batch(3), load.jobs.stream(3), load.jobs.entries()]) {
      assertRefusal(await post(daemon, job), "journal_failed");
    }
    await trial.restart();
    await trial.finish();
  });
}

Deno.test("a failed journal lets the daemon stop, with exit code 3 and every row kept", async () => {
  await using trial = await Trial.start({
    seed: 6,
    config: journalOnlyConfig,
    faults: "journal.fsync:error:10",
  });
  assertRefusal(await postUntilRefused(trial), "journal_failed");
  assertEquals(await trial.daemon.stop(), 3);
  await trial.restart();
  await trial.finish();
});

/** Starts a daemon that cannot, and returns its exit code and what it said. */
async function failedStart(dataDir: string): Promise<{ code: number; error: string }> {
  await using daemon = await startDaemon({ dataDir, until: "spawned" });
  const { error } = await daemon.waitForLog("Cannot start");
  return { code: await daemon.exit(), error: String(error) };
}

Deno.test("a data_dir that cannot be made is told without its path, with exit code 1", async () => {
  await using folder = await tempDir();
  await Deno.writeTextFile(`${folder.path}/file`, "");
  const { code, error } = await failedStart(`${folder.path}/file/data`);
  assertEquals([code, error], [1, "DataDirError: Cannot use data_dir: it cannot be written to: ENOTDIR"]);
});

Deno.test({
  ...needsMount,
  name:
    "a data_dir on a disk that is read-only is told without its path, with exit code 1, and nothing is changed",
  async fn(): Promise<void> {
    await using disk = (await smallDisk(16 * miB))!;
    const config = { ...journalOnlyConfig, disk: { min_free_bytes: 0 } };
    await using trial = await Trial.start({ seed: 7, config, dataDir: `${disk.path}/data` });
    await trial.sendSome(30);
    await trial.daemon.kill9();
    await remount(disk.path, "ro");
    const { code, error } = await failedStart(`${disk.path}/data`);
    assertEquals([code, error], [1, "DataDirError: Cannot use data_dir: it cannot be written to: EROFS"]);
    await remount(disk.path, "rw");
    await trial.restart();
    await trial.finish();
  },
});

async function remount(path: string, mode: "ro" | "rw"): Promise<void> {
  const command = new Deno.Command("mount", { args: ["-o", `remount,${mode}`, path], stdin: "null" });
  assert((await command.output()).success);
}

Deno.test("a second daemon on the same data_dir does not start, and does the first one no harm", async () => {
  await using trial = await Trial.start({ seed: 8 });
  await trial.sendSome(30);
  const { code, error } = await failedStart(trial.dataDir);
  const wanted = `DataDirError: Cannot use data_dir: another process has it: its id is ${trial.daemon.pid}`;
  assertEquals([code, error], [1, wanted]);
  await trial.sendSome(30);
  await trial.finish();
});

Deno.test("a flush that fails again and again keeps the daemon serving, and the next start writes all of it", async () => {
  const config = { flush: { interval_ms: 100 } };
  await using trial = await Trial.start({ seed: 9, config, faults: "flush.part_written:error" });
  const { daemon, load } = trial;
  await trial.loadUntil(until(async () => {
    const { figures } = await checkOf(daemon, "flush");
    return Number(figures!.failures) >= 3;
  }));
  const { state, reason, http, status } = await checkOf(daemon, "flush");
  assertEquals([state, reason, http, status], ["degraded", "EIO", 200, "degraded"]);
  assertEquals((await readiness(daemon)).status, 200);
  const flushed = await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" });
  assertRefusal(flushed, "flush_failed");
  assertEquals((await post(daemon, load.jobs.batch(20))).status, 202);
  await trial.restart();
  await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" });
  assertEquals((await checkOf(daemon, "flush")).state, "ok");
  await trial.finish();
});

Deno.test("with more than journal.max_held_bytes not flushed, rows are refused until a flush made room", async () => {
  const config = { ...journalOnlyConfig, journal: { segment_bytes: "32KiB", max_held_bytes: "256KiB" } };
  await using trial = await Trial.start({ seed: 10, config });
  const { daemon, load } = trial;
  assertRefusal(await postUntilRefused(trial), "overloaded");
  assertEquals((await checkOf(daemon, "journal")).state, "failing");
  assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
  assertEquals((await post(daemon, load.jobs.batch(20))).status, 202);
  assertEquals((await readiness(daemon)).status, 200);
  await trial.finish();
});
