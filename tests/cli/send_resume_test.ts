/**
 * `weir send` that is cut off, by whatever it is, and goes on.
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { ownEnv, repositoryRoot, startFlags } from "../support/daemon_process.ts";
import { tempDir } from "../support/temp.ts";
import { assertStoredOnce, ndjson, rows, run } from "./sending.ts";

/**
 * Stands before the daemon and decides by the number of the request, from 0, what comes of it: it goes through, its
 * reply is lost, or the daemon is not asked at all.
 */
function proxyTo(
  daemon: Daemon,
  fate: (request: number) => "through" | "reply lost" | "busy",
): { url: string } & AsyncDisposable {
  let count = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const chosen = fate(count++);
    if (chosen === "busy") return new Response(null, { status: 503, headers: { "retry-after": "0" } });
    const { headers } = request;
    const response = await fetch(`${daemon.url}/track/batch`, {
      method: "POST",
      headers,
      body: await request.bytes(),
    });
    if (chosen === "through") return response;
    await response.body?.cancel();
    return new Response(null, { status: 502 });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("sendVerb() stores a batch once whose reply was lost, and waits while the daemon is busy", async () => {
  await using daemon = await startDaemon();
  await using dir = await tempDir();
  await using proxy = proxyTo(
    daemon,
    (request) => request === 1 ? "reply lost" : request === 3 ? "busy" : "through",
  );
  const path = `${dir.path}/rows.json`;
  await Deno.writeTextFile(path, JSON.stringify(rows("lost", 30)));
  const { code, out } = await run([path, "--url", proxy.url, "--batch", "10"]);
  assertEquals(code, 0);
  assertMatch(out, /30 accepted, 10 of them known before/);
  await assertStoredOnce(daemon, "lost", 30);
});

Deno.test("sendVerb() goes on after the daemon was killed, with no row lost or doubled", async () => {
  await using daemon = await startDaemon();
  await using dir = await tempDir();
  const path = `${dir.path}/rows.ndjson`;
  await Deno.writeTextFile(path, '"no row"\n' + ndjson(rows("killed", 999)));
  let count = 0;
  // The reply to the last batch that the daemon stores is lost with it.
  const killer = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { headers } = request;
    const response = await fetch(`${daemon.url}/track/batch`, {
      method: "POST",
      headers,
      body: await request.bytes(),
    });
    if (++count < 7) return response;
    await response.body?.cancel();
    await daemon.kill9();
    return new Response(null, { status: 502 });
  });
  const first = await run([
    path,
    "--url",
    `http://127.0.0.1:${killer.addr.port}`,
    "--batch",
    "100",
    "--retries",
    "0",
  ]);
  await killer.shutdown();
  assertEquals(first.code, 69);
  assertMatch(
    first.err,
    /^Stopped after 600 rows: HTTP 502: no message\nRun the same command again to go on\n$/,
  );

  const down = await run([path, "--url", daemon.url, "--retries", "0"]);
  assertEquals(down.code, 69);
  assertMatch(down.err, /Stopped after 600 rows: 127\.0\.0\.1:\d+ cannot be reached/);

  await daemon.restart();
  const { code, out, err } = await run([path, "--url", daemon.url, "--batch", "33"]);
  // The first run's refused row counts.
  assertEquals(code, 1);
  assertEquals(err, "Going on after 600 rows, 100 a request\n");
  assertMatch(out, /^400 rows .* 400 accepted, 100 of them known before, 0 rejected\n$/);
  await assertStoredOnce(daemon, "killed", 999);
  assertEquals([...Deno.readDirSync(dir.path)].map(({ name }) => name), ["rows.ndjson"]);
});

Deno.test("weir send that is interrupted says so, and goes on exactly where it stopped", async () => {
  await using daemon = await startDaemon();
  await using dir = await tempDir();
  const [path, rejects] = [`${dir.path}/rows.ndjson`, `${dir.path}/rejects`];
  await Deno.writeTextFile(path, '"no row"\n' + ndjson(rows("cut", 999)));
  const held = Promise.withResolvers<void>();
  let count = 0;
  // The fourth batch is stored, and its reply never sent.
  const slow = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { headers } = request;
    const body = await request.bytes();
    const response = await fetch(`${daemon.url}/track/batch`, { method: "POST", headers, body });
    if (++count < 4) return response;
    await response.body?.cancel();
    held.resolve();
    return await new Promise<Response>((resolve) => {
      request.signal.addEventListener("abort", () => resolve(new Response(null, { status: 502 })));
    });
  });
  const args = ["--batch", "100", "--rejects", rejects, path];
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...await startFlags(),
      ...[`${repositoryRoot}main.ts`, "send", "--url", `http://127.0.0.1:${slow.addr.port}`, ...args],
    ],
    clearEnv: true,
    env: ownEnv(),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await held.promise;
  child.kill("SIGINT");
  const first = await child.output();
  await slow.shutdown();
  assertEquals(
    [first.code, new TextDecoder().decode(first.stderr)],
    [130, "Stopped after 300 rows: interrupted\nRun the same command again to go on\n"],
  );
  assertMatch(new TextDecoder().decode(first.stdout), /^300 rows .* 299 accepted, .* 1 rejected\n/);

  const { code, out, err } = await run(["--url", daemon.url, ...args]);
  assertEquals([code, err], [1, "Going on after 300 rows, 100 a request\n"]);
  assertMatch(out, /^700 rows .* 700 accepted, 100 of them known before, 0 rejected\n$/);
  await assertStoredOnce(daemon, "cut", 999);
  assertEquals((await Deno.readTextFile(rejects)).match(/\n/g)!.length, 1);
});

Deno.test("sendVerb() begins anew with a file that has changed", async () => {
  await using daemon = await startDaemon();
  await using dir = await tempDir();
  await using proxy = proxyTo(daemon, (request) => request === 1 ? "busy" : "through");
  const path = `${dir.path}/rows.ndjson`;
  await Deno.writeTextFile(path, ndjson(rows("before", 20)));
  const args = [path, "--batch", "10", "--retries", "0", "--url", proxy.url];
  assertEquals((await run(args)).code, 69);
  await Deno.writeTextFile(path, ndjson(rows("after it changed", 20)));
  assertEquals((await run(args)).err, "");
  await assertStoredOnce(daemon, "after it changed", 20);
});
