/**
 * The listener for clients: routes, CORS, and what every reply has in common.
 * @module
 */

import { Hono } from "@hono/hono";
import type { Context } from "@hono/hono";
import { errorTable, toWeirError, WeirError } from "../base/errors.ts";
import { describeError } from "../base/log.ts";
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

/** Builds the router over all dialects' routes. */
export function createRouter({ dialects, house, ingest }: RouterOptions): Fetch {
  const app = new Hono<Env>({ strict: true });
  const allowed = new Map<string, { dialect: Dialect; methods: Set<string> }>();
  let trusted = new TrustedProxies([]);
  const inboundOf = (request: Request, params: Record<string, string>, remote: string): RequestFacts => {
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
      const observe = observer({ dialect, route }, house);
      const handle = ({ req, env }: Context<Env>): Promise<Response> => {
        const inbound = inboundOf(req.raw, req.param(), env.remote);
        return observe(inbound, () => {
          if ("answer" in route) return route.answer(inbound, house);
          if ("call" in route) return takeCall(route, req.raw, { inbound, house, meter });
          const take = "begin" in route ? takeDirect.bind(undefined, route) : ingest.bind(undefined, route);
          return take(req.raw, { inbound, house, meter });
        });
      };
      app.on(route.method, route.path, handle);
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
  app.onError((error) => {
    house.log.error("Request failed", { error: describeError(error) });
    return errorResponse(toWeirError(error), undefined);
  });
  return (request, remote) => {
    const origins = house.config.server.cors_origins;
    if (request.method === "OPTIONS") return preflight(request, origins);
    const response = app.fetch(request, { remote });
    return request.headers.has("origin") ? withCors(request, response, origins) : response;
  };
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

type Observe = (inbound: Inbound, answer: () => Response | Promise<Response>) => Promise<Response>;

/** Runs the handler of a route, and counts, times and logs what came of it. */
function observer({ dialect, route }: Place, { metrics, log, clock }: House): Observe {
  const labels = { dialect: dialect.name, route: route.path };
  const seconds = metrics.histogram("weir_request_seconds").labels({ dialect: dialect.name });
  const counts = new Map<number, { inc(): void }>();
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
  return async (inbound, answer) => {
    const start = clock.monotonic();
    let response: Response;
    try {
      response = await answer();
    } catch (thrown) {
      response = refused(inbound, thrown);
    }
    let count = counts.get(response.status);
    if (count === undefined) {
      count = metrics.counter("weir_requests_total").labels({ ...labels, status: response.status });
      counts.set(response.status, count);
    }
    count.inc();
    seconds.observe((clock.monotonic() - start) / 1000);
    return response;
  };
}
