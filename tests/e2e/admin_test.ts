/**
 * The admin listener from outside.
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { startDaemon } from "../support/daemon.ts";
import { type Reply, send } from "../support/http.ts";

Deno.test("the admin listener tells health and metrics, flushes on demand, and answers in JSON what it does not know", async () => {
  await using daemon = await startDaemon();
  const ask = (path: string, method = "GET"): Promise<Reply> =>
    send(daemon.adminUrl + path, undefined, { method });
  assertEquals((await ask("/healthz/live")).json, { status: "live" });
  assertEquals((await ask("/healthz/ready")).json, { status: "ready", failing: [] });
  const { status, ready, checks } = (await ask("/healthz")).json as Record<string, unknown>;
  assertEquals([status, ready], ["ok", true]);
  assertEquals((checks as { name: string; state: string }[]).map(({ name, state }) => [name, state]), [
    ...[["disk", "ok"], ["journal", "ok"], ["catalog", "ok"], ["flush", "ok"], ["index", "ok"], [
      "traffic",
      "ok",
    ]],
  ]);

  const sent = await send(`${daemon.url}/track`, { type: "track", payload: { name: "seen" } });
  assertEquals(sent.status, 200);
  const { parts, rows, requests } = (await ask("/flush", "POST")).json as Record<string, unknown>;
  assertEquals({ parts, rows, requests }, { parts: 1, rows: 1, requests: 0 });
  const metrics = await ask("/metrics");
  assertMatch(metrics.headers.get("content-type")!, /^text\/plain/);
  assertMatch(metrics.text, /^weir_rows_total\{dialect="track",outcome="accepted"\} 1$/m);
  assertMatch(metrics.text, /^weir_ready 1$/m);

  for (const [path, method] of [["/nowhere", "GET"], ["/flush", "GET"], ["/metrics", "POST"]]) {
    const reply = await ask(path, method);
    const { code, status } = reply.json as Record<string, unknown>;
    assertEquals([reply.status, status, code], [404, 404, "not_found"]);
  }
});
