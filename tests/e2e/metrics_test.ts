/**
 * Figures that operators watch: they must move with what happens, by as much as happened.
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { openRaw, requestHead, send } from "../support/http.ts";
import { event, flush, postAlone } from "./track_requests.ts";

/** All samples, by name and labels as they are printed. */
async function samples(daemon: Daemon): Promise<Map<string, number>> {
  const { status, text } = await send(`${daemon.adminUrl}/metrics`);
  assertEquals(status, 200);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const space = line.lastIndexOf(" ");
    return [line.slice(0, space), Number(line.slice(space + 1))];
  }));
}

/** What `action` adds to the samples whose names begin with `prefix`. */
async function change(
  daemon: Daemon,
  prefix: string,
  action: () => Promise<unknown>,
): Promise<Record<string, number>> {
  const before = await samples(daemon);
  await action();
  const after = await samples(daemon);
  const changed: Record<string, number> = {};
  for (const [name, value] of after) {
    const by = value - (before.get(name) ?? 0);
    if (name.startsWith(prefix) && by !== 0) changed[name] = by;
  }
  return changed;
}

function identified(name: string, insertId: string): unknown {
  return event(name, { $insert_id: insertId });
}

Deno.test("Metrics count rows, requests and bytes by what became of them", async (t) => {
  // Flushed when the test says so.
  await using daemon = await startDaemon({ config: { flush: { interval_ms: 3_600_000 } } });
  const batch = `${daemon.url}/track/batch`;
  const rows = 'weir_rows_total{dialect="track",outcome=';

  await t.step("rows of a batch by outcome", async () => {
    const events = [event("a"), event("b"), event(""), identified("c", "1"), identified("c", "1"), 17];
    assertEquals(await change(daemon, "weir_rows_total", () => send(batch, { events })), {
      [`${rows}"accepted"}`]: 3,
      [`${rows}"duplicate"}`]: 1,
      [`${rows}"validation"}`]: 2,
    });
  });

  await t.step("rows of a stream, those that are no JSON by themselves", async () => {
    const body = [event("a"), event(""), identified("c", "1")].map((row) => JSON.stringify(row)).join("\n") +
      "\n{\n";
    const headers = { "content-type": "application/x-ndjson" };
    assertEquals(await change(daemon, "weir_rows_total", () => send(batch, body, { headers })), {
      [`${rows}"accepted"}`]: 1,
      [`${rows}"duplicate"}`]: 1,
      [`${rows}"validation"}`]: 1,
      [`${rows}"malformed"}`]: 1,
    });
  });

  await t.step("nothing of a body that was refused as a whole", async () => {
    const bad = JSON.stringify({ events: [event("a"), event("")] }).slice(0, -1);
    assertEquals(await change(daemon, "weir_rows_total", () => send(batch, bad)), {});
  });

  await t.step("entries of a backend", async () => {
    const entries = [{ rid: "R1", trace: [1] }, { trace: [2] }];
    const counts = await change(
      daemon,
      "weir_rows_total",
      () => send(`${daemon.url}/v1/sessions/S1/backend`, { entries }),
    );
    assertEquals(counts, {
      'weir_rows_total{dialect="backend",outcome="accepted"}': 1,
      'weir_rows_total{dialect="backend",outcome="no_request_id"}': 1,
    });
  });

  await t.step("requests by route and status, never by path", async () => {
    const counts = await change(daemon, "weir_requests_total", async () => {
      await send(`${daemon.url}/track?x=1`, event("a"));
      await send(`${daemon.url}/track`, "{");
      await send(`${daemon.url}/v1/sessions/some-session/backend`, { entries: [] });
    });
    assertEquals(counts, {
      'weir_requests_total{dialect="track",route="/track",status="200"}': 1,
      'weir_requests_total{dialect="track",route="/track",status="400"}': 1,
      'weir_requests_total{dialect="backend",route="/v1/sessions/:sid/backend",status="201"}': 1,
    });
  });

  await t.step("bytes of bodies, decoded", async () => {
    const body = JSON.stringify({ events: [event("a")] });
    const counts = await change(daemon, "weir_body_bytes_total", () => send(batch, body));
    assertEquals(counts, { 'weir_body_bytes_total{dialect="track"}': body.length });
  });

  await t.step("frames, syncs and records of the journal", async () => {
    const counts = await change(
      daemon,
      "weir_journal_",
      () => send(batch, { events: [event("a"), event("b")] }),
    );
    assertEquals(counts.weir_journal_frames_total, 1);
    assert(
      counts.weir_journal_bytes_total > 200 && counts.weir_journal_syncs_total >= 1,
      JSON.stringify(counts),
    );
  });

  await t.step("flushes, parts and their bytes", async () => {
    const counts = await change(daemon, "weir_", () => flush(daemon));
    assertEquals(counts['weir_flushes_total{result="written"}'], 1, JSON.stringify(counts));
    assertEquals(counts['weir_parts_total{directory="events"}'], 1);
    assert(counts['weir_part_bytes_total{directory="events"}'] > 500);
    assertEquals((await samples(daemon)).get('weir_index_entries{index="rows"}'), 0);
  });

  await t.step("requests that are refused unread", async () => {
    await using small = await startDaemon({ config: { limits: { max_in_flight_requests: 1 } } });
    using open = await openRaw(small.url);
    await open.write(requestHead(`${small.url}/track`, 1_000));
    while ((await samples(small)).get("weir_in_flight_requests") !== 1) {
      await new Promise((go) => setTimeout(go, 5));
    }
    const counts = await change(small, "weir_refused_total", async () => {
      assertEquals((await postAlone(`${small.url}/track`, JSON.stringify(event("a"))))?.status, 503);
    });
    assertEquals(counts, { 'weir_refused_total{code="overloaded"}': 1 });
  });

  await t.step("memory, disk and readiness", async () => {
    const now = await samples(daemon);
    const between = (name: string, least: number, most: number): void => {
      const value = now.get(name) ?? NaN;
      assert(value >= least && value <= most, `${name} is ${value}`);
    };
    between("weir_resident_bytes", 30e6, 2e9);
    between("weir_heap_used_bytes", 1e6, 2e9);
    between("weir_disk_free_bytes", 1e6, 1e18);
    between("weir_in_flight_bytes", 0, 0);
    between("weir_ready", 1, 1);
  });
});

Deno.test("A daemon that starts again counts the records that it reads back", async () => {
  await using daemon = await startDaemon();
  await send(`${daemon.url}/track/batch`, { events: [event("a"), event("b"), event("c")] });
  await daemon.restart();
  // The three events, and the session_start of their session.
  assertEquals((await samples(daemon)).get("weir_recovered_records_total"), 4);
});

Deno.test("While the daemon stops it is live, not ready, and refuses new work with Retry-After", async () => {
  await using daemon = await startDaemon();
  const url = `${daemon.url}/track/batch`;
  const body = JSON.stringify({ events: [event("on its way")] });
  using open = await openRaw(url);
  await open.write(requestHead(url, body.length) + body.slice(0, -1));
  while ((await samples(daemon)).get("weir_in_flight_requests") !== 1) {
    await new Promise((go) => setTimeout(go, 5));
  }
  const exit = daemon.exit();
  daemon.signal("SIGTERM");
  await daemon.waitForLog("Stopping");

  assertEquals((await send(`${daemon.adminUrl}/healthz/live`)).status, 200);
  const ready = await send(`${daemon.adminUrl}/healthz/ready`);
  assertEquals(ready.status, 503);
  assertMatch(ready.text, /The daemon is stopping/);
  const refused = await postAlone(url, body);
  const { code, retryable } = refused?.json as { code: string; retryable: boolean };
  assertEquals([refused?.status, code, retryable], [503, "draining", true]);
  assert(Number(refused?.headers.get("retry-after")) >= 1);

  await open.write(body.slice(-1));
  assertEquals((await open.readReply())?.json, { accepted: 1, rejected: [] });
  open.close();
  assertEquals(await exit, 0);
});
