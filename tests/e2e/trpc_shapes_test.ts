/**
 * Every shape of contract `trpc`, section 3, sent by hand to real servers: through the daemon, the fetch middleware
 * and the Express middleware, for clients as they should be and for legacy ones.
 */

import { assert, assertEquals } from "@std/assert";
import { startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import {
  type ServerKind,
  serverKinds,
  startExpressServer,
  startFetchServer,
  type TrpcUpstream,
} from "../trpc/servers.ts";

const C = `{"username":"m","password":"correct horse"}`;
const ways = ["daemon", "fetch middleware", "express middleware"] as const;
type Way = typeof ways[number];

/** Where a shape is sent to. */
interface Circumstance extends ServerKind {
  readonly legacy: boolean;
  readonly way: Way;
}

/** What comes of a shape: a status, and the input that reaches the server; undefined where it is not called. */
type Outcome = readonly [status: number, arrives: string | undefined];

interface Shape {
  readonly path: string;
  /** With its question mark. @default "" */
  readonly query?: string;
  /** @default POST where there is a body, else GET */
  readonly method?: string;
  readonly body?: string | Uint8Array;
  /** @default "application/json" */
  readonly type?: string | null;
  readonly outcome: (at: Circumstance) => Outcome;
}

const isSuperjson = ({ transformer }: ServerKind): boolean => transformer === "superjson";
/** A plain input that a server with superjson needs wrapped. */
const asNeeded = (at: ServerKind, text: string): string => isSuperjson(at) ? `{"json":${text}}` : text;
const batch = "?batch=1";
const refused: Outcome = [400, undefined];
const accepted = (text: (at: Circumstance) => string) => (at: Circumstance): Outcome => [200, text(at)];
const keyedC = accepted((at) => `{"0":${asNeeded(at, C)}}`);
const find = (text: string): string => `${batch}&input=${encodeURIComponent(text)}`;

const shapes: Record<string, Shape> = {
  "a single input": { path: "login", body: C, outcome: accepted((at) => asNeeded(at, C)) },
  "a single {json}": {
    path: "login",
    body: `{"json":${C}}`,
    outcome: (at) => [isSuperjson(at) ? 200 : 400, `{"json":${C}}`],
  },
  "a single {json, meta: null}": {
    path: "login",
    body: `{"json":${C},"meta":null}`,
    outcome: (at) => [isSuperjson(at) ? 200 : 400, `{"json":${C},"meta":null}`],
  },
  "a single {input}": {
    path: "login",
    body: `{"input":${C}}`,
    outcome: (at) => isSuperjson(at) || at.legacy ? [200, asNeeded(at, C)] : [400, `{"input":${C}}`],
  },
  "a single {input: {json}}": {
    path: "login",
    body: `{"input":{"json":${C}}}`,
    outcome: (at) => {
      if (isSuperjson(at)) return [200, `{"json":${C}}`];
      return [400, at.legacy ? `{"json":${C}}` : `{"input":{"json":${C}}}`];
    },
  },
  "a keyed batch": { path: "login", query: batch, body: `{"0":${C}}`, outcome: keyedC },
  "a keyed batch of {json}": {
    path: "login",
    query: batch,
    body: `{"0":{"json":${C}}}`,
    outcome: (at) => [isSuperjson(at) ? 200 : 400, `{"0":{"json":${C}}}`],
  },
  "a keyed batch of {input}": {
    path: "login",
    query: batch,
    body: `{"0":{"input":${C}}}`,
    outcome: (at) => isSuperjson(at) || at.legacy ? keyedC(at) : [400, `{"0":{"input":${C}}}`],
  },
  "an array": { path: "login", query: batch, body: `[${C}]`, outcome: keyedC },
  "an array of {json}": {
    path: "login",
    query: batch,
    body: `[{"json":${C}}]`,
    outcome: (at) => [isSuperjson(at) ? 200 : 400, `{"0":{"json":${C}}}`],
  },
  "an array of {input}": { path: "login", query: batch, body: `[{"input":${C}}]`, outcome: keyedC },
  "an array of {path, input}": {
    path: "login",
    query: batch,
    body: `[{"path":"login","input":${C}}]`,
    outcome: keyedC,
  },
  "an array of {path, input} in another order": {
    path: "echo,login",
    query: batch,
    body: `[{"path":"login","input":${C}},{"path":"echo","input":1}]`,
    outcome: accepted((at) => `{"0":${asNeeded(at, "1")},"1":${asNeeded(at, C)}}`),
  },
  "an array that names another procedure": {
    path: "login",
    query: batch,
    body: `[{"path":"logout","input":${C}}]`,
    outcome: () => refused,
  },
  "an empty array": { path: "login", query: batch, body: `[]`, outcome: () => refused },
  "{input} for a batch of one": { path: "login", query: batch, body: `{"input":${C}}`, outcome: keyedC },
  "{input} for a batch of two": {
    path: "login,echo",
    query: batch,
    body: `{"input":${C}}`,
    outcome: () => refused,
  },
  "{input: keyed} for a batch of two": {
    path: "login,echo",
    query: batch,
    body: `{"input":{"0":${C},"1":2}}`,
    outcome: accepted((at) => `{"0":${asNeeded(at, C)},"1":${asNeeded(at, "2")}}`),
  },
  "a bare object for a batch of one": { path: "login", query: batch, body: C, outcome: keyedC },
  "an empty object": { path: "nothing,permissive", query: batch, body: `{}`, outcome: accepted(() => `{}`) },
  "a sparse batch": {
    path: "nothing,echo",
    query: batch,
    body: `{"1":7}`,
    outcome: accepted((at) => `{"1":${asNeeded(at, "7")}}`),
  },
  "a key past the last call": { path: "echo", query: batch, body: `{"0":1,"9":2}`, outcome: () => refused },
  "a key that is no index": { path: "echo", query: batch, body: `{"0":1,"foo":2}`, outcome: () => refused },
  "a key with a zero in front": { path: "echo", query: batch, body: `{"00":1}`, outcome: () => refused },
  "null for a batch": { path: "echo", query: batch, body: `null`, outcome: () => refused },
  "a string for a batch": { path: "echo", query: batch, body: `"x"`, outcome: () => refused },
  "a number for a batch": { path: "echo", query: batch, body: `5`, outcome: () => refused },
  "a single null": { path: "echo", body: `null`, outcome: accepted((at) => asNeeded(at, "null")) },
  "a single array": { path: "echo", body: `[1,2]`, outcome: accepted((at) => asNeeded(at, "[1,2]")) },
  "a single string": { path: "echo", body: `"s"`, outcome: accepted((at) => asNeeded(at, `"s"`)) },
  "an empty single body": { path: "nothing", body: ``, outcome: accepted(() => ``) },
  "an empty batch body": { path: "nothing", query: batch, body: ``, outcome: accepted(() => `{}`) },
  "white space only": { path: "nothing", body: ` \n`, outcome: () => refused },
  "malformed JSON": { path: "nothing", body: `{"0":`, outcome: () => refused },
  "a byte order mark": {
    path: "login",
    query: batch,
    body: `\ufeff{"0":${C}}`,
    outcome: (at) => isSuperjson(at) ? keyedC(at) : [200, `\ufeff{"0":${C}}`],
  },
  "text/plain": {
    path: "login",
    body: C,
    type: "text/plain",
    outcome: ({ version, way, ...kind }) => {
      if (version === 11) return [415, undefined];
      // Version 10 lets its adapter decide: fetch sees nothing, Express parses it.
      return [way === "express middleware" && !isSuperjson({ version, ...kind }) ? 200 : 400, C];
    },
  },
  "batch=true": {
    path: "login",
    query: "?batch=true",
    body: `{"0":${C}}`,
    outcome: (at) => {
      if (at.version === 10) return keyedC(at);
      // For version 11 this is no batch, and the body one input of the wrong shape.
      return [400, asNeeded(at, `{"0":${C}}`)];
    },
  },
  "a parameter that ends in batch=1": {
    path: "login",
    query: "?not-batch=1&x=batch=1",
    body: C,
    outcome: accepted((at) => asNeeded(at, C)),
  },
  "commas that are escaped": {
    path: "echo%2CechoToo",
    query: batch,
    body: `[1,2]`,
    outcome: accepted((at) => `{"0":${asNeeded(at, "1")},"1":${asNeeded(at, "2")}}`),
  },
  "digits beyond 2^53": {
    path: "permissive",
    query: batch,
    body: `[12345678901234567890]`,
    outcome: accepted((at) => `{"0":${asNeeded(at, "12345678901234567890")}}`),
  },
  "a GET batch": {
    path: "find",
    query: find(`{"0":{"id":1}}`),
    outcome: accepted((at) => `{"0":${asNeeded(at, `{"id":1}`)}}`),
  },
  "a GET batch of an array": {
    path: "find,list",
    query: find(`[{"id":1},null]`),
    outcome: accepted((at) => `{"0":${asNeeded(at, `{"id":1}`)},"1":${asNeeded(at, "null")}}`),
  },
  "a GET batch of {input}": {
    path: "find",
    query: find(`{"input":{"id":1}}`),
    outcome: accepted((at) => `{"0":${asNeeded(at, `{"id":1}`)}}`),
  },
  "a GET batch without input": {
    path: "list,me",
    query: batch,
    outcome: ({ version }) => [200, version === 10 ? `{}` : ``],
  },
  "a GET with one input": {
    path: "find",
    query: `?input=${encodeURIComponent(`{"id":1}`)}`,
    outcome: accepted((at) => asNeeded(at, `{"id":1}`)),
  },
  "a GET without input": { path: "me", outcome: accepted(() => ``) },
  "a GET with malformed input": { path: "find", query: "?input={", outcome: () => refused },
};

function inputOf({ address, body, method }: TrpcUpstream["arrived"][number]): string {
  if (method === "GET") return new URLSearchParams(address.split("?")[1]).get("input") ?? "";
  // The mark is part of the bytes.
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(body);
}

for (const legacy of [false, true]) {
  Deno.test(`every shape has its outcome, ${legacy ? "with" : "without"} legacy clients`, async (test) => {
    await using stack = new AsyncDisposableStack();
    const targets: { at: Circumstance; url: () => string; upstream?: TrpcUpstream }[] = [];
    const routes: unknown[] = [];
    for (const kind of serverKinds) {
      const upstream = stack.use(startFetchServer(kind));
      const prefix = `/${kind.version}/${kind.transformer}`;
      routes.push({ prefix, upstream: upstream.url, ...kind, legacy_clients: legacy });
      const rules = { legacyClients: legacy };
      const fetchUrl = stack.use(startFetchServer(kind, { rules })).url;
      const expressUrl = stack.use(await startExpressServer(kind, { rules })).url;
      targets.push(
        { at: { ...kind, legacy, way: "daemon" }, url: () => daemon.url + prefix, upstream },
        { at: { ...kind, legacy, way: "fetch middleware" }, url: () => fetchUrl },
        { at: { ...kind, legacy, way: "express middleware" }, url: () => expressUrl },
      );
    }
    const daemon = stack.use(await startDaemon({ config: { trpc: { routes } } }));

    for (const [name, shape] of Object.entries(shapes)) {
      await test.step(name, async () => {
        for (const { at, url, upstream } of targets) {
          const { path, query = "", body, type = "application/json" } = shape;
          if (upstream) upstream.arrived.length = 0;
          const headers: Record<string, string> = type === null ? {} : { "content-type": type };
          const reply = await send(`${url()}/${path}${query}`, body, { headers });
          const what = `${name} ${JSON.stringify(at)}: ${reply.text}`;
          const [status, arrives] = shape.outcome(at);
          assertEquals(reply.status, status, what);
          const isBatch = query.includes("batch=1") && !query.includes("not-batch");
          assert(typeof reply.json === "object" && reply.json !== null, what);
          // Version 10 answers what it cannot read at all with one object.
          if (isBatch && (status === 200 || arrives === undefined)) assert(Array.isArray(reply.json), what);
          const isChanged = arrives !== undefined && arrives !== sentInput(shape);
          assertEquals(reply.headers.has("weir-trpc-normalized"), isChanged, what);
          if (upstream) {
            assertEquals(upstream.arrived.map(inputOf), arrives === undefined ? [] : [arrives], what);
          }
        }
      });
    }
    for (const line of daemon.logs()) assert(!JSON.stringify(line).includes("correct horse"), line.message);
  });
}

function sentInput({ query = "", body }: Shape): string {
  return body === undefined ? new URLSearchParams(query).get("input") ?? "" : body as string;
}
