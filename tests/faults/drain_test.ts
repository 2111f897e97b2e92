/**
 * Stopping: uploads on their way end well, nobody new is let in, and what cannot end is cut off without a loss.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { openRaw, type RawConnection, type Reply, requestHead, send } from "../support/http.ts";
import { checkOf, isLive, readiness } from "./health.ts";
import { bodyOf, type Job, JobMaker } from "./jobs.ts";
import { assertKept, Ledger } from "./ledger.ts";
import { assertNothingWaits } from "./stored.ts";
import { journalOnlyConfig, Trial } from "./trial.ts";

/** One upload that is under way. */
interface Upload {
  readonly job: Job;
  readonly connection: RawConnection;
  /** What was not sent. */
  readonly rest: Uint8Array;
}

/** Sends the head and the first half of a body. */
async function beginUpload(daemon: Daemon, job: Job): Promise<Upload> {
  const connection = await openRaw(daemon.url);
  const body = bodyOf(job);
  const half = body.length >> 1;
  await connection.write(requestHead(daemon.url + job.path, body.length, { ...job.headers }));
  await connection.write(body.subarray(0, half));
  return { job, connection, rest: body.subarray(half) };
}

/** Sends the rest in small pieces, and reads the reply. */
async function endUpload({ connection, rest }: Upload): Promise<Reply | undefined> {
  const pieces = 8;
  for (let i = 0; i < pieces; i++) {
    const [from, to] = [i, i + 1].map((k) => Math.floor(rest.length * k / pieces));
    await connection.write(rest.subarray(from, to));
    // So that the pieces arrive one by one.
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  return await connection.readReply();
}

/** Resolves when so many requests are being read. */
async function untilInFlight(daemon: Daemon, count: number): Promise<void> {
  for (;;) {
    const { figures } = await checkOf(daemon, "traffic");
    if (figures?.in_flight_requests === count) return;
  }
}

function uploads(ledger: Ledger, count: number): Job[] {
  const jobs = new JobMaker({ ledger, random: () => 0.5 });
  const make = [() => jobs.batch(40), () => jobs.stream(400), () => jobs.entries(), () => jobs.batch(900)];
  return Array.from({ length: count }, (_, i) => make[i % make.length]());
}

Deno.test("SIGTERM lets 20 uploads end, refuses new requests, and loses nothing", async () => {
  await using daemon = await startDaemon();
  const ledger = new Ledger();
  const begun = await Promise.all(uploads(ledger, 20).map((job) => beginUpload(daemon, job)));
  await untilInFlight(daemon, 20);
  const startedAt = performance.now();
  daemon.signal("SIGTERM");
  await daemon.waitForLog("Stopping");
  const { status, failing } = await readiness(daemon);
  assertEquals([status, failing.map(({ name }) => name)], [503, ["stop"]]);
  assert(await isLive(daemon));
  for (
    const [path, body] of [["/track", uploads(new Ledger(), 1)[0].rows[0]], ["/v1/sessions/S/backend", "{}"]]
  ) {
    const refused = await send(daemon.url + path, body);
    const { code, retryable } = refused.json as Record<string, unknown>;
    assertEquals([refused.status, refused.headers.get("retry-after"), code, retryable], [
      503,
      "5",
      "draining",
      true,
    ]);
  }
  const replies = await Promise.all(begun.map(endUpload));
  for (const [i, reply] of replies.entries()) {
    const { job, connection } = begun[i];
    const { accepted } = JSON.parse(reply!.text.trim().split("\n").at(-1)!);
    assertEquals([Math.floor(reply!.status / 100), accepted], [2, job.rows.length], job.shape);
    job.sent.safe = job.sent.count;
    connection.close();
  }
  assertEquals(await daemon.exit(), 0);
  // The grace was there to be used, not to be waited for.
  assert(performance.now() - startedAt < 10_000);
  await assertKept(ledger, daemon.dataDir);
});

Deno.test("an upload that never ends is cut off after shutdown.grace_ms, and the stop is clean", async () => {
  await using trial = await Trial.start({ seed: 1, config: { shutdown: { grace_ms: 300 } } });
  const { daemon, ledger } = trial;
  const batch = await beginUpload(daemon, trial.load.jobs.batch(100));
  const stream = await beginUpload(daemon, trial.load.jobs.stream(400));
  await untilInFlight(daemon, 2);
  daemon.signal("SIGTERM");
  await daemon.waitForLog("Requests cut off");
  assertEquals(await daemon.exit(), 0);
  const refused = await batch.connection.readReply();
  const { code, retryable } = refused!.json as Record<string, unknown>;
  assertEquals([refused!.status, code, retryable], [503, "draining", true]);
  assertEquals(refused!.headers.get("retry-after"), "5");
  batch.job.sent.isRefused = true;
  // A stream keeps what it was told is safe, and hears why it ended.
  const ended = (await stream.connection.readReply())!.text.trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  const { through, error } = ended.at(-1);
  assert(ended.length > 1 && through > 0);
  assertEquals([error.status, error.code, error.retryable], [503, "draining", true]);
  stream.job.sent.safe = through + 1;
  for (const { connection } of [batch, stream]) connection.close();
  await assertKept(ledger, daemon.dataDir);
});

Deno.test("a second signal stops at once, and what was acknowledged is there after the next start", async () => {
  await using trial = await Trial.start({ seed: 2, config: journalOnlyConfig });
  const { daemon } = trial;
  await trial.sendSome(60);
  const upload = await beginUpload(daemon, trial.load.jobs.batch(100));
  await untilInFlight(daemon, 1);
  daemon.signal("SIGTERM");
  await daemon.waitForLog("Stopping");
  daemon.signal("SIGINT");
  assertEquals(await daemon.exit(), 130);
  upload.job.sent.isRefused = true;
  upload.connection.close();
  await trial.restart();
  await trial.finish();
});

Deno.test("a stop whose last flush fails exits with 3, and the next start picks the rows up", async () => {
  await using trial = await Trial.start({
    seed: 3,
    config: journalOnlyConfig,
    faults: "flush.part_written:error",
  });
  const { daemon } = trial;
  await trial.sendSome(60);
  assertEquals(await daemon.stop(), 3);
  assert(daemon.logs().some(({ level, message }) => level === "error" && /last flush failed/.test(message)));
  await trial.restart();
  await trial.finish();
});

Deno.test("a stop during the start lets nobody in, and flushes what the journal held", async () => {
  await using trial = await Trial.start({ seed: 4, config: journalOnlyConfig });
  const { daemon, ledger } = trial;
  await trial.sendSome(60);
  await trial.restart({ until: "spawned" });
  const from = daemon.logs().length;
  await daemon.waitForLog("Admin listening");
  assertEquals(await daemon.stop(), 0);
  assert(!daemon.logs().slice(from).some(({ message }) => message === "Listening"));
  await assertNothingWaits(daemon.dataDir);
  await assertKept(ledger, daemon.dataDir);
});
