/**
 * Real tRPC clients, versions 10 and 11, against real tRPC servers of both, with every link, through the daemon and
 * through both middlewares: nothing that a real client sends is changed, and every call works.
 */

import * as client11 from "@trpc/client";
import { assert, assertEquals } from "@std/assert";
import superjson from "superjson";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { installNpm, runNode } from "../support/npm_client.ts";
import { expectedCookies, expectedResults } from "../trpc/expected.ts";
import { runScenario } from "../trpc/scenario.mjs";
import {
  type ServerKind,
  serverKinds,
  startExpressServer,
  startFetchServer,
  type TrpcUpstream,
} from "../trpc/servers.ts";

const links = ["httpLink", "httpBatchLink", "httpBatchStreamLink"] as const;
const ways = [
  "direct",
  "daemon to fetch",
  "daemon to express",
  "fetch middleware",
  "express middleware",
  "express middleware after express.json",
] as const;

/** One run of the scenario. */
interface Job {
  readonly way: typeof ways[number];
  readonly link: typeof links[number];
  readonly transformer: "none" | "superjson";
  /** Of the client. */
  readonly version: 10 | 11;
  readonly serverVersion: 10 | 11;
  readonly url: string;
}

interface Sent {
  readonly method: string;
  readonly address: string;
  readonly body: string;
}

interface Outcome {
  readonly results: Record<string, unknown>;
  readonly sent: Sent[];
  readonly cookies: string[];
  readonly statuses: number[];
}

/** Everything that a client may call, one of each kind. */
interface House extends AsyncDisposable {
  urlOf(kind: ServerKind, way: Job["way"]): string;
  /** The recording server behind the daemon. */
  behindDaemon(kind: ServerKind): TrpcUpstream;
  readonly daemon: Daemon;
  /** What the middlewares said they did. */
  readonly actions: unknown[];
}

const prefixOf = ({ version, transformer }: ServerKind, server: string): string =>
  `/${server}${version}/${transformer}`;

async function openHouse(): Promise<House> {
  const stack = new AsyncDisposableStack();
  const urls = new Map<string, string>();
  const recording = new Map<string, TrpcUpstream>();
  const actions: unknown[] = [];
  const routes: unknown[] = [];
  const rules = { onAction: (done: unknown): void => void actions.push(done) };
  for (const kind of serverKinds) {
    const bare = stack.use(startFetchServer(kind));
    const bareExpress = stack.use(await startExpressServer(kind));
    const wayUrls: Record<string, string> = {
      "direct": bare.url,
      "fetch middleware": stack.use(startFetchServer(kind, { rules })).url,
      "express middleware": stack.use(await startExpressServer(kind, { rules })).url,
      "express middleware after express.json":
        stack.use(await startExpressServer(kind, { rules, parserFirst: true })).url,
    };
    recording.set(prefixOf(kind, "fetch"), bare);
    for (const [way, url] of Object.entries(wayUrls)) urls.set(prefixOf(kind, way), url);
    const { version, transformer } = kind;
    routes.push({ prefix: prefixOf(kind, "fetch"), upstream: bare.url, version, transformer });
    routes.push({ prefix: prefixOf(kind, "express"), upstream: bareExpress.url, version, transformer });
  }
  const daemon = stack.use(await startDaemon({ config: { trpc: { routes } } }));
  return {
    daemon,
    actions,
    urlOf: (kind, way) =>
      way.startsWith("daemon to ")
        ? `${daemon.url}${prefixOf(kind, way.slice("daemon to ".length))}`
        : urls.get(prefixOf(kind, way)) as string,
    behindDaemon: (kind) => recording.get(prefixOf(kind, "fetch")) as TrpcUpstream,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function jobsOf(house: House, clientVersion: 10 | 11): Job[] {
  return serverKinds.flatMap((kind) =>
    links.flatMap((link) =>
      ways.map((way) => ({
        way,
        link,
        transformer: kind.transformer,
        version: clientVersion,
        serverVersion: kind.version,
        url: house.urlOf(kind, way),
      }))
    )
  ).filter(canWork);
}

function canWork({ way, link, version, serverVersion, transformer }: Job): boolean {
  // A streamed batch is written in a form of each version's own.
  if (link === "httpBatchStreamLink" && version !== serverVersion) return false;
  // express.json() itself refuses the scalars of httpLink, with or without a middleware after it.
  return !(way.endsWith("express.json") && link === "httpLink" && transformer === "none");
}

function check(job: Job, { results, cookies, statuses }: Outcome): void {
  const what = JSON.stringify(job);
  assertEquals(results, expectedResults(job.transformer), what);
  // The head of a streamed reply is sent before the procedure has run.
  if (job.link !== "httpBatchStreamLink") assertEquals(cookies, expectedCookies, what);
  if (job.link === "httpBatchLink") assert(statuses.includes(207), what);
}

/** Did the server behind the daemon get exactly what the client sent? */
function checkBytes(job: Job, { sent }: Outcome, arrived: TrpcUpstream["arrived"]): void {
  const addressOf = (address: string): string => address.slice(new URL(job.url).pathname.length);
  const seen = arrived.map(({ method, address, body }) => {
    return { method, address: address.slice("/api/trpc".length), body: new TextDecoder().decode(body) };
  });
  const expected = sent.map(({ method, address, body }) => ({ method, address: addressOf(address), body }));
  assertEquals(inAnyOrder(seen), inAnyOrder(expected), JSON.stringify(job));
}

/** Requests of one tick are under way at once. */
function inAnyOrder(requests: readonly unknown[]): string[] {
  return requests.map((request) => JSON.stringify(request)).toSorted();
}

const packages10 = ["@trpc/client@10.45.4", "@trpc/server@10.45.4", "superjson@1.13.3"];
const runner10 = `
  import * as lib from "@trpc/client";
  import superjson from "superjson";
  const { runScenario } = await import(process.env.SCENARIO);
  const outcomes = [];
  for (const job of JSON.parse(process.env.JOBS)) outcomes.push(await runScenario({ ...job, lib, superjson }));
  process.stdout.write(JSON.stringify(outcomes));
`;

Deno.test("tRPC client 11: every link works with every server, through the daemon and the middlewares", async () => {
  await using house = await openHouse();
  for (const job of jobsOf(house, 11)) {
    const upstream = house.behindDaemon({ version: job.serverVersion, transformer: job.transformer });
    upstream.arrived.length = 0;
    const outcome = await runScenario({ ...job, lib: client11, superjson }) as Outcome;
    check(job, outcome);
    if (job.way === "daemon to fetch") checkBytes(job, outcome, upstream.arrived);
  }
  assertEquals(house.actions, []);
  assertEquals(house.daemon.logs().filter(({ message }) => message.includes("normalized")), []);
});

Deno.test("tRPC client 10: every link works with every server, through the daemon and the middlewares", async () => {
  await using house = await openHouse();
  const packages = await installNpm(packages10);
  const jobs = jobsOf(house, 10);
  const scenario = new URL("../trpc/scenario.mjs", import.meta.url).href;
  const { code, stdout, stderr } = await runNode(runner10, {
    packages,
    env: { SCENARIO: scenario, JOBS: JSON.stringify(jobs) },
  });
  assertEquals(code, 0, stderr);
  const outcomes: Outcome[] = JSON.parse(stdout);
  jobs.forEach((job, i) => check(job, outcomes[i]));
  for (const kind of serverKinds) {
    const mine = outcomes.filter((_, i) =>
      ["direct", "daemon to fetch"].includes(jobs[i].way) && jobs[i].serverVersion === kind.version &&
      jobs[i].transformer === kind.transformer
    );
    const arrived = house.behindDaemon(kind).arrived.map(({ body }) => new TextDecoder().decode(body));
    assertEquals(inAnyOrder(arrived), inAnyOrder(mine.flatMap(({ sent }) => sent.map(({ body }) => body))));
  }
  assertEquals(house.actions, []);
  assertEquals(house.daemon.logs().filter(({ message }) => message.includes("normalized")), []);
});
