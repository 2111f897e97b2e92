import { assert, assertEquals } from "@std/assert";
import { type LoadJob, runLoad } from "../../bench/load.ts";

interface Server extends AsyncDisposable {
  readonly url: string;
}

function startServer(handler: (request: Request) => Response | Promise<Response>): Server {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  return { url: `http://127.0.0.1:${server.addr.port}`, [Symbol.asyncDispose]: () => server.shutdown() };
}

function job(url: string, more: Partial<LoadJob> = {}): LoadJob {
  return {
    url,
    body: { kind: "single" },
    connections: 3,
    warmupMs: 0,
    durationMs: 10_000,
    requests: 60,
    ...more,
  };
}

Deno.test("runLoad() counts every reply by its status, and refusals that do not say when to come back", async () => {
  let asked = 0;
  await using server = startServer(async (request) => {
    await request.text();
    const turn = asked++ % 6;
    if (turn === 0) return new Response("no", { status: 503 });
    if (turn === 1) return new Response("no", { status: 503, headers: { "retry-after": "1" } });
    if (turn === 2) return new Response(null, { status: 204 });
    if (turn === 3) return new Response(new Response("a chunked body").body, { status: 200 });
    return new Response("x".repeat(200_000), { status: 202 });
  });
  const result = await runLoad(job(server.url));
  assertEquals(result.statuses, { "503": 20, "204": 10, "200": 10, "202": 20 });
  assertEquals([result.ok, result.errors, result.missingRetryAfter, result.okInAll], [40, 20, 10, 40]);
  assert(result.latency.p50 > 0 && result.latency.p50 <= result.latency.p99);
});

Deno.test("runLoad() counts a connection that breaks and goes on with a new one", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let accepted = 0;
  const accepting = (async () => {
    for await (const connection of listener) {
      accepted++;
      await connection.read(new Uint8Array(4096));
      if (accepted % 2 === 0) {
        await connection.write(new TextEncoder().encode("HTTP/1.1 202 A\r\nContent-Length: 5\r\n\r\n"));
      }
      connection.close();
    }
  })();
  const url = `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  const result = await runLoad(job(url, { connections: 1, requests: 6 }));
  assertEquals(result.statuses, { broken: 6 });
  assertEquals([result.ok, accepted], [0, 6]);
  listener.close();
  await accepting;
});

Deno.test("runLoad() sends at the rate it was given", async () => {
  await using server = startServer(async (request) => {
    await request.text();
    return new Response("ok");
  });
  const result = await runLoad(job(server.url, { rate: 200, requests: undefined, durationMs: 500 }));
  // The generator may be late on a busy machine, never early.
  assert(result.ok > 20 && result.ok <= 105, `${result.ok} requests in half a second`);
});
