/**
 * The smoke test: a real server with superjson, the daemon as its proxy, the real client with a `fetch` that keeps
 * cookies. A manager logs in, with every form of the body that is in use. And the four regressions that this must
 * never have again, by name.
 */

import {
  createTRPCClient,
  httpBatchLink,
  httpBatchStreamLink,
  httpLink,
  TRPCClientError,
} from "@trpc/client";
import { assert, assertEquals, assertRejects } from "@std/assert";
import superjson from "superjson";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { startFetchServer, type TrpcUpstream } from "../trpc/servers.ts";

const credentials = { username: "manager", password: "correct horse" };
const prefix = "/api/trpc";

interface Login {
  readonly login: { mutate(input: unknown): Promise<unknown> };
  readonly me: { query(): Promise<unknown> };
  readonly echo: { mutate(input: unknown): Promise<unknown> };
}

interface Stage extends AsyncDisposable {
  readonly upstream: TrpcUpstream;
  readonly daemon: Daemon;
  readonly url: string;
}

async function openStage(transformer: "none" | "superjson", legacyClients = false): Promise<Stage> {
  const upstream = startFetchServer({ version: 11, transformer });
  const daemon = await startDaemon({
    config: {
      trpc: { routes: [{ prefix, upstream: upstream.url, transformer, legacy_clients: legacyClients }] },
    },
  });
  return {
    upstream,
    daemon,
    url: daemon.url + prefix,
    async [Symbol.asyncDispose](): Promise<void> {
      await daemon[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

/** A `fetch` with a jar: what the server sets is sent from then on. */
function cookieFetch(jar: Map<string, string>): { fetch: typeof fetch; statuses: number[] } {
  const statuses: number[] = [];
  const keeping = async (address: URL | RequestInfo, init?: RequestInit): Promise<Response> => {
    const headers = new Headers(init?.headers);
    if (jar.size > 0) headers.set("cookie", [...jar].map((pair) => pair.join("=")).join("; "));
    const response = await fetch(address, { ...init, headers });
    statuses.push(response.status);
    for (const cookie of response.headers.getSetCookie()) {
      const [name, value] = cookie.split(";", 1)[0].split("=");
      jar.set(name, value);
    }
    return response;
  };
  return { fetch: keeping, statuses };
}

Deno.test("smoke: a manager logs in through the daemon with superjson, answers 200 and gets the cookies", async () => {
  await using stage = await openStage("superjson");
  for (const link of [httpBatchLink, httpLink]) {
    const jar = new Map<string, string>();
    const { fetch, statuses } = cookieFetch(jar);
    const client = createTRPCClient({
      links: [link({ url: stage.url, transformer: superjson, fetch } as never)],
    }) as unknown as Login;
    assertEquals(await client.login.mutate(credentials), { username: "manager", role: "manager" });
    assertEquals(statuses, [200]);
    assertEquals(Object.fromEntries(jar), { sid: "abc", role: "manager" });
    assertEquals(await client.me.query(), "manager");
    assertEquals(stage.upstream.arrived.at(-1)?.headers.get("cookie"), "sid=abc; role=manager");
  }
  // The same login from a client that is none of tRPC's.
  for (
    const body of [{ input: credentials }, [credentials], { 0: credentials }, { 0: { input: credentials } }]
  ) {
    const reply = await send(`${stage.url}/login?batch=1`, body);
    assertEquals(reply.status, 200, JSON.stringify(body));
    assertEquals(reply.headers.getSetCookie().length, 2);
    assert(reply.headers.has("weir-trpc-normalized"));
  }
});

Deno.test("regression: a canonical keyed batch passes through unchanged", async () => {
  await using stage = await openStage("none");
  const body = ` {"0": {"username":"manager" ,"password":"correct horse"}}`;
  const reply = await send(`${stage.url}/login?batch=1`, body);
  assertEquals(reply.status, 200);
  assert(Array.isArray(reply.json));
  assertEquals(new TextDecoder().decode(stage.upstream.arrived[0].body), body);
});

Deno.test("regression: {input} with batch=1 becomes a keyed batch", async () => {
  for (const transformer of ["none", "superjson"] as const) {
    await using stage = await openStage(transformer);
    const reply = await send(`${stage.url}/login?batch=1`, { input: credentials });
    assertEquals(reply.status, 200);
    const input = transformer === "none" ? credentials : { json: credentials };
    assertEquals(JSON.parse(new TextDecoder().decode(stage.upstream.arrived[0].body)), { 0: input });
  }
});

Deno.test("regression: an array, its items bare or in envelopes, becomes a keyed batch", async () => {
  await using stage = await openStage("none", true);
  const shapes = [
    [credentials],
    [{ input: credentials }],
    [{ path: "login", input: credentials }],
    { 0: { input: credentials } },
  ];
  for (const shape of shapes) {
    assertEquals((await send(`${stage.url}/login?batch=1`, shape)).status, 200);
    assertEquals(JSON.parse(new TextDecoder().decode(stage.upstream.arrived.at(-1)?.body)), {
      0: credentials,
    });
  }
});

Deno.test("regression: a single {input} is opened on a legacy path and untouched on one marked never", async () => {
  const upstream = startFetchServer({ version: 11, transformer: "none" });
  await using _ = upstream;
  await using daemon = await startDaemon({
    config: {
      trpc: {
        routes: [{
          prefix,
          upstream: upstream.url,
          legacy_clients: true,
          procedures: [{ path: "wrapped", envelope: "never" }],
        }],
      },
    },
  });
  assertEquals((await send(`${daemon.url}${prefix}/login`, { input: credentials })).status, 200);
  assertEquals(JSON.parse(new TextDecoder().decode(upstream.arrived[0].body)), credentials);
  const data = { input: { a: 1 } };
  for (const [query, body] of [["", data], ["?batch=1", { 0: data }]] as const) {
    const reply = await send(`${daemon.url}${prefix}/wrapped${query}`, body);
    assertEquals(reply.status, 200);
    assertEquals(reply.headers.get("weir-trpc-normalized"), null);
  }
  const note = { 0: { input: { a: 1 }, note: "x" } };
  const kept = await send(`${daemon.url}${prefix}/note?batch=1`, note);
  assertEquals(kept.json, [{ result: { data: note[0] } }]);
});

Deno.test("a real client of any link reads the proxy's own errors", async () => {
  for (const transformer of ["none", "superjson"] as const) {
    await using stage = await openStage(transformer);
    await stage.upstream[Symbol.asyncDispose]();
    for (const link of [httpLink, httpBatchLink, httpBatchStreamLink]) {
      const options = { url: stage.url, ...(transformer === "superjson" ? { transformer: superjson } : {}) };
      const client = createTRPCClient({ links: [link(options as never)] }) as unknown as Login;
      const calls = [client.echo.mutate(1), client.echo.mutate(2)];
      for (const call of calls) {
        const error = await assertRejects(() => call, TRPCClientError);
        assertEquals(
          (error as { data?: { code: string } }).data?.code,
          "BAD_GATEWAY",
          `${link.name} ${transformer}`,
        );
      }
    }
  }
});
