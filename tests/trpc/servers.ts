/**
 * Real tRPC servers, versions 10 and 11, as upstreams: one router, behind the fetch adapter or Express.
 * @module
 */

import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:http";
import { initTRPC as initTrpc11, TRPCError as TrpcError11 } from "@trpc/server";
import { createExpressMiddleware as expressAdapter11 } from "@trpc/server/adapters/express";
import { fetchRequestHandler as fetchAdapter11 } from "@trpc/server/adapters/fetch";
import { initTRPC as initTrpc10, TRPCError as TrpcError10 } from "trpc-server-10";
import { createExpressMiddleware as expressAdapter10 } from "trpc-server-10/adapters/express";
import { fetchRequestHandler as fetchAdapter10 } from "trpc-server-10/adapters/fetch";
import express from "express";
import superjson from "superjson";
import { z } from "zod";
import {
  type ExpressMiddleware,
  type FetchHandler,
  normalizeExpress,
  normalizeFetch,
} from "../../src/trpc/mod.ts";
import type { Transformer, TrpcMiddlewareOptions, TrpcVersion } from "../../src/trpc/mod.ts";

/** Which server. */
export interface ServerKind {
  readonly version: TrpcVersion;
  readonly transformer: Transformer;
}

/** Every kind there is. */
export const serverKinds: readonly ServerKind[] = ([11, 10] as const).flatMap((version) =>
  (["none", "superjson"] as const).map((transformer) => ({ version, transformer }))
);

/** What goes on beside the answer: headers to set. */
interface Context {
  setCookie(value: string): void;
}

const credentials = z.strictObject({ username: z.string(), password: z.string() });
/** Takes anything but nothing: what arrives as undefined fails. */
const defined = z.custom<unknown>((value) => value !== undefined, "Required");

/** A request as it reached the server. */
export interface Arrived {
  readonly method: string;
  /** Path and query. */
  readonly address: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** A server that runs. */
export interface TrpcUpstream extends AsyncDisposable {
  /** Without a path. */
  readonly origin: string;
  /** Where its procedures are. */
  readonly url: string;
  /** Every request so far; only of those behind the fetch adapter. */
  readonly arrived: Arrived[];
}

/** What stands in front of the adapter. */
export interface FrontOptions {
  /** Puts the middleware of `weir/trpc` in front of it, with these rules. @default none */
  readonly rules?: TrpcMiddlewareOptions;
  /** Express only: lets express.json() run first. @default false */
  readonly parserFirst?: boolean;
}

const endpoint = "/api/trpc";

// deno-lint-ignore no-explicit-any -- two major versions with the same calls and other types
type AnyVersion = any;

/** The same procedures for every kind. */
function makeRouter({ version, transformer }: ServerKind): AnyVersion {
  const init: AnyVersion = version === 11 ? initTrpc11 : initTrpc10;
  const TrpcError: AnyVersion = version === 11 ? TrpcError11 : TrpcError10;
  const t = init.context().create(transformer === "superjson" ? { transformer: superjson } : {});
  const { procedure } = t;
  const echo = ({ input }: { input: unknown }): unknown => input;
  return t.router({
    login: procedure.input(credentials).mutation(({ input, ctx }: AnyVersion) => {
      if (input.password !== "correct horse") throw new TrpcError({ code: "UNAUTHORIZED", message: "Wrong" });
      ctx.setCookie("sid=abc; Path=/; HttpOnly");
      ctx.setCookie("role=manager; Path=/");
      return { username: input.username, role: "manager" };
    }),
    me: procedure.query(() => "manager"),
    echo: procedure.input(defined).mutation(echo),
    echoToo: procedure.input(defined).mutation(echo),
    find: procedure.input(z.object({ id: z.number() })).query(echo),
    list: procedure.query(() => ["a", "b"]),
    wrapped: procedure.input(z.strictObject({ input: z.strictObject({ a: z.number() }) })).mutation(echo),
    note: procedure.input(z.strictObject({ input: z.unknown(), note: z.string() })).mutation(echo),
    nothing: procedure.input(z.void()).mutation(() => "done"),
    permissive: procedure.input(z.unknown()).mutation(({ input }: { input: unknown }) =>
      input === undefined ? "nothing came" : input
    ),
    when: procedure.input(z.object({ at: z.date() })).mutation(({ input }: AnyVersion) =>
      input.at.toISOString()
    ),
    fail: procedure.input(defined).mutation(() => {
      throw new TrpcError({ code: "CONFLICT", message: "No" });
    }),
    ...(version === 11 ? uploads(procedure) : {}),
  });
}

/** Bodies that are no JSON: version 11 hands them to the procedure. */
function uploads(procedure: AnyVersion): Record<string, unknown> {
  return {
    form: procedure.input(z.instanceof(FormData)).mutation((
      { input }: { input: FormData },
    ) => [...input.keys()]),
    bytes: procedure.input(z.instanceof(ReadableStream)).mutation(
      async ({ input }: { input: ReadableStream }) => (await new Response(input).bytes()).length,
    ),
  };
}

/** Starts a server behind the fetch adapter. */
export function startFetchServer(kind: ServerKind, front: FrontOptions = {}): TrpcUpstream {
  const router = makeRouter(kind);
  const adapter: AnyVersion = kind.version === 11 ? fetchAdapter11 : fetchAdapter10;
  const answer: FetchHandler<[]> = (req) =>
    adapter({
      endpoint,
      req,
      router,
      createContext: ({ resHeaders }: { resHeaders: Headers }): Context => ({
        setCookie: (value) => resHeaders.append("set-cookie", value),
      }),
    });
  const handler = front.rules ? normalizeFetch(answer, { ...front.rules, ...kind, endpoint }) : answer;
  const arrived: Arrived[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    if (front.rules) return await handler(request);
    const body = await request.bytes();
    const { pathname, search } = new URL(request.url);
    arrived.push({ method: request.method, address: pathname + search, headers: request.headers, body });
    const hasBody = request.method !== "GET" && request.method !== "HEAD";
    return await handler(new Request(request, hasBody ? { body } : {}));
  });
  const origin = `http://127.0.0.1:${server.addr.port}`;
  return { origin, url: origin + endpoint, arrived, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** Starts a server behind Express. */
export async function startExpressServer(kind: ServerKind, front: FrontOptions = {}): Promise<TrpcUpstream> {
  const router = makeRouter(kind);
  const adapter: AnyVersion = kind.version === 11 ? expressAdapter11 : expressAdapter10;
  const app: AnyVersion = express();
  if (front.parserFirst) app.use(express.json({ limit: "20mb" }));
  if (front.rules) app.use(endpoint, normalizeExpress({ ...front.rules, ...kind }) as ExpressMiddleware);
  app.use(
    endpoint,
    adapter({
      router,
      createContext: ({ res }: AnyVersion): Context => ({
        // The head of a streamed reply is gone by the time a procedure runs.
        setCookie: (value) => res.headersSent || res.append("set-cookie", value),
      }),
    }),
  );
  const server: Server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    url: origin + endpoint,
    arrived: [],
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
