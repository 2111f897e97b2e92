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
    ...["disk", "clock", "journal", "catalog", "flush", "index", "quarantine", "traffic"].map((name) => [
      name,
      "ok",
    ]),
  ]);

  const sent = await send(`${daemon.url}/track`, { type: "track", payload: { name: "seen" } });
  assertEquals(sent.status, 200);
  const { parts, rows, requests } = (await ask("/flush", "POST")).json as Record<string, unknown>;
  assertEquals({ parts, rows, requests }, { parts: 1, rows: 1, requests: 0 });
  const metrics = await ask("/metrics");
  assertMatch(metrics.headers.get("content-type")!, /^text\/plain/);
  assertMatch(metrics.text, /^weir_rows_total\{dialect="track",outcome="accepted"\} 1$/m);
  assertMatch(metrics.text, /^weir_ready 1$/m);

  const nowhere = await ask("/nowhere");
  assertEquals([nowhere.status, (nowhere.json as { code: string }).code], [404, "not_found"]);
  for (const [path, method, allow] of [["/flush", "GET", "POST"], ["/metrics", "POST", "GET, HEAD"]]) {
    const { status, headers, json } = await ask(path, method);
    assertEquals([status, headers.get("allow")], [405, allow]);
    assertEquals((json as { code: string }).code, "method_not_allowed");
  }
});
