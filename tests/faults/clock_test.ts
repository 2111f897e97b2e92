/**
 * A wall clock that jumps, in a daemon of this process: ids stay in order, nothing is lost, cut off or stored twice.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Check } from "../../src/admin/health.ts";
import type { Clock } from "../../src/base/clock.ts";
import { createLog } from "../../src/base/log.ts";
import { configSchema } from "../../src/config/schema.ts";
import { Daemon } from "../../src/daemon.ts";
import { openRaw, requestHead, send } from "../support/http.ts";
import { readRows } from "../support/parts.ts";
import { tempDir } from "../support/temp.ts";
import { until } from "./health.ts";
import { assertKept, Ledger, type SentRows } from "./ledger.ts";
import { bodyOf, type Job, JobMaker } from "./jobs.ts";

const dayMs = 86_400_000;
/** Wall clocks, one after the other, ms from the right time. All within the time that identities are remembered. */
const jumps = [-dayMs, 0, dayMs, 0, 2 * dayMs, -dayMs, 0];

/** The machine's clock, with a wall clock that is wrong by as much as a test says. */
class WrongClock implements Clock {
  wrongByMs = 0;
  now(): number {
    return Date.now() + this.wrongByMs;
  }
  monotonic(): number {
    return performance.now();
  }
}

/** A daemon in this process. */
interface Inner extends AsyncDisposable {
  readonly url: string;
  readonly adminUrl: string;
  readonly dataDir: string;
  readonly clock: WrongClock;
  stop(): Promise<void>;
}

async function startInner(settings: Record<string, unknown>): Promise<Inner> {
  const folder = await tempDir();
  const clock = new WrongClock();
  const dataDir = `${folder.path}/data`;
  const config = configSchema.parse({
    data_dir: dataDir,
    server: { port: 0 },
    admin: { port: 0 },
    disk: { min_free_bytes: 0 },
    ...settings,
  });
  const addresses: string[] = [];
  const write = (line: string): void => {
    const { address } = JSON.parse(line);
    if (address !== undefined) addresses.push(`http://${address}`);
  };
  const daemon = new Daemon({ config, clock, log: createLog({ clock, write }) });
  await daemon.start();
  const stop = async (): Promise<void> => assertEquals(await daemon.stop(), "clean");
  const [adminUrl, url] = addresses;
  return {
    ...{ url, adminUrl, dataDir, clock, stop },
    async [Symbol.asyncDispose](): Promise<void> {
      await daemon.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Sends all of a job, whatever of it was sent before; returns its reply, of a stream the last line. */
async function post({ url }: Inner, job: Job): Promise<Record<string, unknown>> {
  job.sent.safe = 0;
  const { status, text } = await send(url + job.path, bodyOf(job), { headers: { ...job.headers } });
  assert(status < 300, text);
  job.sent.safe = job.sent.count;
  return JSON.parse(text.trim().split("\n").at(-1)!);
}

Deno.test("a clock that jumps by days leaves ids unique and in order, and every row stored once", async () => {
  await using daemon = await startInner({ flush: { interval_ms: 50 } });
  const ledger = new Ledger();
  const jobs = new JobMaker({ ledger, random: () => 0.4 });
  const sent: Job[] = [];
  const order: SentRows[] = [];
  let latest = 0;
  for (const [i, jump] of jumps.entries()) {
    daemon.clock.wrongByMs = jump;
    latest = Math.max(latest, jump);
    const { json } = await send(`${daemon.adminUrl}/healthz`);
    const { state, figures } = (json as { checks: Check[] }).checks.find(({ name }) => name === "clock")!;
    const behindMs = Math.round(Number(figures!.behind_ms) / 60_000) * 60_000;
    assertEquals([state, behindMs], [jump < latest ? "degraded" : "ok", latest - jump]);
    for (const job of [jobs.batch(60), jobs.single(), jobs.stream(30), jobs.entries()]) {
      await post(daemon, job);
      sent.push(job);
      if (job.shape !== "entries") order.push(job.sent);
    }
    // What came before the jump is flushed by the timer, which does not look at the wall clock.
    await until(async () => (await rowsStored(daemon)) >= (i + 1) * 91);
    // Rows of every earlier time are recognised.
    for (const job of sent) {
      const { duplicates, duplicate } = await post(daemon, job);
      assert(duplicate === true || duplicates === job.rows.length, `${job.shape} after a jump by ${jump} ms`);
    }
  }
  await daemon.stop();
  await assertKept(ledger, daemon.dataDir);
  const rows = await readRows(daemon.dataDir, "events");
  const idOf = new Map(rows.map(({ id, properties }) => [(properties as { n: number }).n, id as string]));
  const ids = order.flatMap(({ first, count }) =>
    Array.from({ length: count }, (_, i) => idOf.get(first + i)!)
  );
  assertEquals(new Set(ids).size, jumps.length * 91);
  assertEquals(ids, ids.toSorted());
});

async function rowsStored({ dataDir }: Inner): Promise<number> {
  return (await readRows(dataDir, "events")).length;
}

Deno.test("a clock that jumps neither stalls an upload, ends an open trace nor forgets a kept reply too early", async () => {
  await using daemon = await startInner({ flush: { interval_ms: 50 }, traces: { idle_ms: 3_600_000 } });
  const { url, clock, dataDir } = daemon;
  const jobs = new JobMaker({ ledger: new Ledger(), random: () => 0.4 });
  const trace = { rid: "R", trace: [1], traceBatch: { rid: "R", index: 0, total: 2 } };
  assertEquals((await send(`${url}/v1/sessions/S/backend`, { entries: [trace] })).status, 201);
  const headers = { "idempotency-key": "once" };
  const keyed = jobs.batch(5);
  const first = await send(url + keyed.path, bodyOf(keyed), { headers });

  const upload = jobs.batch(400);
  const body = bodyOf(upload);
  using connection = await openRaw(url);
  await connection.write(requestHead(url + upload.path, body.length));
  // A reply is kept for a day.
  const short = jumps.map((jump) => jump * 0.4);
  for (const [i, jump] of short.entries()) {
    clock.wrongByMs = jump;
    const [from, to] = [i, i + 1].map((k) => Math.floor(body.length * k / short.length));
    await connection.write(body.subarray(from, to));
    // Long enough for the watch over bodies to look at it at least once on the whole.
    await new Promise((resolve) => setTimeout(resolve, 90));
    const marker = jobs.single();
    await post(daemon, marker);
    await until(async () => (await rowsStored(daemon)) >= i + 1);
    assertEquals(await readRows(dataDir, "traces"), [], `after a jump by ${jump} ms`);
  }
  assertEquals((await connection.readReply())!.status, 202);
  const again = await send(url + keyed.path, bodyOf(keyed), { headers });
  assertEquals([again.text, again.headers.get("idempotent-replayed")], [first.text, "true"]);
  await daemon.stop();
  assertEquals((await readRows(dataDir, "traces")).length, 1);
});
