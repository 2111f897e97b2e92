/**
 * The listener for clients: routes, CORS, and what every reply has in common.
 * @module
 */

import { Hono } from "@hono/hono";
import type { Context } from "@hono/hono";
import type { BlockList } from "node:net";
import { errorTable, toWeirError, WeirError } from "../base/errors.ts";
import { describeError } from "../base/log.ts";
import type { Dialect, Inbound, IngestRoute, ReadRoute } from "../dialects/dialect.ts";
import { blockList, clientIp } from "./client_ip.ts";
import { corsHeaders, preflight } from "./cors.ts";
import type { House } from "./house.ts";
import { errorResponse } from "./reply.ts";

/** Takes one request with rows; the pipeline's own signature. */
export type IngestHandler = (
  route: IngestRoute,
  request: Request,
  at: { inbound: Inbound; house: House },
) => Promise<Response>;

/** What the listener is made from. */
export interface RouterOptions {
  readonly dialects: readonly Dialect[];
  readonly house: House;
  readonly ingest: IngestHandler;
}

/** Answers requests; `remote` is the socket's address. */
export type Fetch = (request: Request, remote: string) => Response | Promise<Response>;

interface Place {
  readonly dialect: Dialect;
  readonly route: IngestRoute | ReadRoute;
}

type Env = { Bindings: { remote: string } };

/** Builds the router over all dialects' routes. */
export function createRouter({ dialects, house, ingest }: RouterOptions): Fetch {
  const app = new Hono<Env>({ strict: true });
  const trusted = new TrustedProxies();
  const methods = new Map<string, Set<string>>();
  for (const dialect of dialects) {
    for (const route of [...dialect.ingest, ...dialect.read]) {
      methods.set(route.path, (methods.get(route.path) ?? new Set()).add(route.method));
      const handle = (context: Context<Env>): Promise<Response> => {
        const { req } = context;
        const inbound = inboundOf(req.raw, req.param(), {
          clientIp: clientIp(
            req.raw.headers,
            context.env.remote,
            trusted.list(house.config.server.trusted_proxies),
          ),
          arrivedAt: house.clock.now(),
        });
        const answer = (): Promise<Response> | Response =>
          route.method === "POST" ? ingest(route, req.raw, { inbound, house }) : route.answer(inbound, house);
        return answered({ dialect, route }, { inbound, house, answer });
      };
      app.on(route.method, route.path, handle);
    }
  }
  for (const [path, allowed] of methods) {
    if (allowed.has("GET")) allowed.add("HEAD");
    const allow = [...allowed].sort().join(", ");
    app.all(path, () => {
      throw new WeirError("method_not_allowed", `Method must be ${allow}`, { headers: { allow } });
    });
  }
  app.notFound(() => errorResponse(new WeirError("not_found", "There is no such route"), undefined));
  app.onError((error) => {
    const known = toWeirError(error);
    if (known.code === "internal") house.log.error("Request failed", { error: describeError(error) });
    return errorResponse(known, undefined);
  });
  return async (request, remote) => {
    const origins = house.config.server.cors_origins;
    if (request.method === "OPTIONS") return preflight(request, origins);
    const response = await app.fetch(request, { remote });
    for (const [name, value] of corsHeaders(request, origins)) response.headers.set(name, value);
    return response;
  };
}

function inboundOf(
  request: Request,
  params: Record<string, string>,
  of: { clientIp: string; arrivedAt: number },
): Inbound {
  const { headers, method } = request;
  return { method, url: new URL(request.url), headers, params, requestId: requestIdOf(headers), ...of };
}

/** The sender's request id, where it is fit for a log line, else one of our own. */
function requestIdOf(headers: Headers): string {
  const sent = headers.get("request-id");
  if (sent !== null && /^[\w.:-]{1,128}$/.test(sent)) return sent;
  return Math.random().toString(36).slice(2, 10).padEnd(8, "0");
}

/** Runs a handler, and counts, times and logs what came of it. */
async function answered(
  { dialect, route }: Place,
  { inbound, house, answer }: { inbound: Inbound; house: House; answer: () => Response | Promise<Response> },
): Promise<Response> {
  const start = house.clock.monotonic();
  const { metrics, log } = house;
  let response: Response;
  try {
    response = await answer();
  } catch (thrown) {
    const error = toWeirError(thrown);
    response = errorResponse(error, dialect);
    const fields = {
      dialect: dialect.name,
      route: route.path,
      method: inbound.method,
      code: error.code,
      status: error.status,
      request_id: inbound.requestId,
    };
    const level = errorTable[error.code].level;
    log[level]("Request refused", level === "error" ? { ...fields, error: describeError(thrown) } : fields);
  }
  response.headers.set("request-id", inbound.requestId);
  metrics.counter("weir_requests_total").inc({
    dialect: dialect.name,
    route: route.path,
    status: response.status,
  });
  metrics.histogram("weir_request_seconds").observe(
    { dialect: dialect.name },
    (house.clock.monotonic() - start) / 1000,
  );
  return response;
}

/** The trusted proxies as a set, made anew only when the configuration has changed. */
class TrustedProxies {
  #ranges: readonly string[] = [];
  #list = blockList([]);

  list(ranges: readonly string[]): BlockList {
    if (ranges !== this.#ranges) {
      this.#list = blockList(ranges);
      this.#ranges = ranges;
    }
    return this.#list;
  }
}
