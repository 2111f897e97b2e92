/**
 * The listener for clients: routes, CORS, and what every reply has in common.
 * @module
 */

import { Hono } from "@hono/hono";
import type { Context } from "@hono/hono";
import { errorTable, toWeirError, WeirError } from "../base/errors.ts";
import { describeError } from "../base/log.ts";
import type { Count } from "../base/metrics.ts";
import type {
  CallRoute,
  Dialect,
  DirectRoute,
  Inbound,
  IngestRoute,
  ReadRoute,
} from "../dialects/dialect.ts";
import { takeCall } from "./call.ts";
import { clientIp, TrustedProxies } from "./client_ip.ts";
import { corsHeaders, preflight } from "./cors.ts";
import { takeDirect } from "./direct.ts";
import type { House } from "./house.ts";
import { RowMeter } from "./row_meter.ts";
import { errorResponse } from "./reply.ts";

/** Takes one request with rows; the pipeline's own signature. */
export type IngestHandler = (
  route: IngestRoute,
  request: Request,
  at: { inbound: Inbound; house: House; meter: RowMeter },
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
  readonly route: IngestRoute | DirectRoute | CallRoute | ReadRoute;
}

type Env = { Bindings: { remote: string } };

/** Answers what comes to one route. */
type Handle = (request: Request, params: Record<string, string>, remote: string) => Promise<Response>;

type InboundOf = (request: Request, params: Record<string, string>, remote: string) => Inbound;

const noParams: Record<string, string> = {};

/** Builds the router over all dialects' routes. */
export function createRouter({ dialects, house, ingest }: RouterOptions): Fetch {
  const app = new Hono<Env>({ strict: true });
  const allowed = new Map<string, { dialect: Dialect; methods: Set<string> }>();
  // Where small requests come from: found at once, by the path alone.
  const plainPosts = new Map<string, Handle>();
  const failed = (error: unknown): Response => answerFailed(error, house);
  let trusted = new TrustedProxies([]);
  const inboundOf: InboundOf = (request, params, remote) => {
    const { trusted_proxies: ranges } = house.config.server;
    if (trusted.ranges !== ranges) trusted = new TrustedProxies(ranges);
    return new RequestFacts(request, {
      params,
      clientIp: clientIp(request.headers, remote, trusted),
      arrivedAt: house.clock.now(),
    });
  };
  for (const dialect of dialects) {
    const meter = new RowMeter(dialect.name, house.metrics);
    const { ingest: ingests, direct = [], calls = [], read } = dialect;
    for (const route of [...ingests, ...direct, ...calls, ...read]) {
      const known = allowed.get(route.path) ?? { dialect, methods: new Set() };
      allowed.set(route.path, known);
      known.methods.add(route.method);
      const answer = (request: Request, inbound: Inbound): Response | Promise<Response> => {
        if ("answer" in route) return route.answer(inbound, house);
        if ("call" in route) return takeCall(route, request, { inbound, house, meter });
        if ("begin" in route) return takeDirect(route, request, { inbound, house, meter });
        return ingest(route, request, { inbound, house, meter });
      };
      const handle = observed({ dialect, route }, house, { inboundOf, answer });
      app.on(
        route.method,
        route.path,
        ({ req, env }: Context<Env>) => handle(req.raw, req.param(), env.remote),
      );
      if (route.method === "POST" && !route.path.includes(":")) plainPosts.set(route.path, handle);
    }
  }
  // A router of its own: a path with one handler is dispatched without a chain.
  const others = new Hono();
  for (const [path, { dialect, methods }] of allowed) {
    if (methods.has("GET")) methods.add("HEAD");
    const allow = [...methods].sort().join(", ");
    others.all(path, () =>
      errorResponse(
        new WeirError("method_not_allowed", `Method must be ${allow}`, { headers: { allow } }),
        dialect,
      ));
  }
  others.notFound(() => errorResponse(new WeirError("not_found", "There is no such route"), undefined));
  app.notFound(({ req }) => others.fetch(req.raw));
  app.onError(failed);
  return (request, remote) => {
    const { method, headers } = request;
    // Asked first: it makes the runtime read all headers in one go.
    const isFromPage = headers.has("origin");
    const origins = house.config.server.cors_origins;
    if (method === "OPTIONS") return preflight(request, origins);
    const plain = method === "POST" ? plainPosts.get(pathOf(request.url)) : undefined;
    const response = plain === undefined ? app.fetch(request, { remote }) : plain(request, noParams, remote);
    return isFromPage ? withCors(request, response, origins) : response;
  };
}

/** Nobody foresaw it. */
function answerFailed(error: unknown, { log }: House): Response {
  log.error("Request failed", { error: describeError(error) });
  return errorResponse(toWeirError(error), undefined);
}

async function withCors(
  request: Request,
  response: Response | Promise<Response>,
  origins: readonly string[],
): Promise<Response> {
  const answer = await response;
  for (const [name, value] of corsHeaders(request, origins)) answer.headers.set(name, value);
  return answer;
}

/** A request as dialects see it; what is rarely asked for is made when it is. */
class RequestFacts implements Inbound {
  readonly method: string;
  readonly headers: Headers;
  readonly params: Readonly<Record<string, string>>;
  readonly clientIp: string;
  readonly arrivedAt: number;
  readonly #address: string;
  #url: URL | undefined;
  #requestId: string | undefined;

  constructor(
    request: Request,
    of: { params: Record<string, string>; clientIp: string; arrivedAt: number },
  ) {
    this.method = request.method;
    this.headers = request.headers;
    this.#address = request.url;
    this.params = of.params;
    this.clientIp = of.clientIp;
    this.arrivedAt = of.arrivedAt;
  }

  get url(): URL {
    return this.#url ??= new URL(this.#address);
  }

  /** The sender's own, where it is fit for a log line. */
  get requestId(): string {
    if (this.#requestId !== undefined) return this.#requestId;
    const sent = this.headers.get("request-id");
    const isFit = sent !== null && /^[\w.:-]{1,128}$/.test(sent);
    return this.#requestId = isFit ? sent : Math.random().toString(36).slice(2, 10).padEnd(8, "0");
  }
}

/** The path of an absolute URL, as it was sent. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.indexOf("?", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
}

/** How a route answers a request, once it is known who asks. */
interface Answering {
  readonly inboundOf: InboundOf;
  answer(request: Request, inbound: Inbound): Response | Promise<Response>;
}

/** Answers what comes to a route, and counts, times and logs what came of it. */
function observed(
  { dialect, route }: Place,
  house: House,
  { inboundOf, answer }: Answering,
): Handle {
  const { metrics, log, clock } = house;
  const labels = { dialect: dialect.name, route: route.path };
  const seconds = metrics.timing("weir_request_seconds", { dialect: dialect.name });
  const counts = new Map<number, Count>();
  const refused = (inbound: Inbound, thrown: unknown): Response => {
    const error = toWeirError(thrown);
    const { code, status } = error;
    const { method, requestId: request_id } = inbound;
    const { level } = errorTable[code];
    const fields = { ...labels, method, code, status, request_id };
    log[level]("Request refused", level === "error" ? { ...fields, error: describeError(thrown) } : fields);
    const response = errorResponse(error, dialect);
    response.headers.set("request-id", inbound.requestId);
    return response;
  };
  const count = ({ status }: Response, start: number): void => {
    let counted = counts.get(status);
    if (counted === undefined) {
      counted = metrics.count("weir_requests_total", { ...labels, status: String(status) });
      counts.set(status, counted);
    }
    counted.inc();
    seconds.observe((clock.monotonic() - start) / 1000);
  };
  return async (request, params, remote) => {
    const start = clock.monotonic();
    try {
      const inbound = inboundOf(request, params, remote);
      let response: Response;
      try {
        response = await answer(request, inbound);
      } catch (thrown) {
        response = refused(inbound, thrown);
      }
      count(response, start);
      return response;
    } catch (error) {
      return answerFailed(error, house);
    }
  };
}
