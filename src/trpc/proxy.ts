/**
 * The proxy in front of tRPC servers: looks at what may need it, hands everything on, and passes replies through as
 * they come (contract `trpc`, Decisions 1 to 5).
 * @module
 */

import { type ErrorCode, errorTable, WeirError } from "../base/errors.ts";
import { describeError } from "../base/log.ts";
import { TrustedProxies } from "../receive/client_ip.ts";
import type { House } from "../receive/house.ts";
import { bodyKind, checkCalls, type PassedVerdict, passOrThrow } from "./body_kind.ts";
import { readCall, type TrpcCall } from "./call.ts";
import { Cut, SilenceLimit } from "./cut.ts";
import { errorWordOf, failureText, type TrpcErrorWord, TrpcFailure } from "./failure.ts";
import { dropHopByHop, requestHeaderLines } from "./forward_headers.ts";
import { normalizedHeader } from "./normalize.ts";
import { type ProxiedBody, readInput, streamOpaque } from "./proxied_body.ts";
import type { ReplyHead } from "./reply_head.ts";
import { findRoute, openRoutes, type RoutedPath, type TrpcRoute } from "./routes.ts";
import { normalizeSearch } from "./search_input.ts";
import { UpstreamError, UpstreamTlsError } from "./upstream.ts";

/** What the proxy uses of the daemon. */
export type ProxyHouse = Pick<House, "admission" | "stalls" | "metrics" | "log" | "clock" | "config">;

/** One request on its way. */
interface Passage {
  readonly request: Request;
  readonly remote: string;
  readonly route: TrpcRoute;
  readonly rest: string;
  readonly search: string;
  readonly call: TrpcCall;
}

/** Held by a request whose body is not looked at, and by replies: what is on its way through. */
const passingBytes = 128 * 1024;

const dotSegment = /(?:^|\/|\\|%2f|%5c)(?:\.|%2e){1,2}(?:\/|\\|%2f|%5c|$)/i;

/** The client is not there any more; nobody reads this. */
class ClientGoneError extends Error {
  override readonly name = "ClientGoneError";
}

/** Hands requests on to the upstreams of `trpc.routes`. */
export class TrpcProxy {
  readonly #routes: readonly TrpcRoute[];
  readonly #house: ProxyHouse;
  #trusted = new TrustedProxies([]);

  constructor(house: ProxyHouse) {
    this.#house = house;
    this.#routes = openRoutes(house.config.trpc.routes);
  }

  /**
   * Makes sure that no route hides a path of the daemon's own.
   * @throws Error that names both
   */
  mustNotCover(paths: Iterable<string>): void {
    for (const path of paths) {
      const found = findRoute(this.#routes, path);
      if (found === undefined) continue;
      const { prefix } = found.route.config;
      throw new Error(
        `Cannot start: trpc.routes must leave the daemon's own ${path} alone: a prefix is ${prefix}`,
      );
    }
  }

  /** Answers a request whose path belongs to a route; undefined for every other. */
  take(request: Request, remote: string): Promise<Response> | undefined {
    if (this.#routes.length === 0) return undefined;
    const { url } = request;
    const pathAt = url.indexOf("/", url.indexOf("://") + 3);
    const queryAt = url.indexOf("?", pathAt);
    const path = queryAt < 0 ? url.slice(pathAt) : url.slice(pathAt, queryAt);
    const routed = findRoute(this.#routes, path);
    if (routed === undefined) return undefined;
    return this.#answer(request, remote, { ...routed, search: queryAt < 0 ? "" : url.slice(queryAt) });
  }

  /** Closes idle connections to upstreams. */
  close(): void {
    for (const { upstream } of this.#routes) upstream.close();
  }

  async #answer(request: Request, remote: string, at: RoutedPath & { search: string }): Promise<Response> {
    const { metrics, clock } = this.#house;
    const { route, rest, search } = at;
    const { prefix } = route.config;
    const start = clock.monotonic();
    const call = readCall(rest, search, route.rules);
    const passage: Passage = { request, remote, route, rest, search, call };
    let response: Response;
    try {
      response = await this.#forward(passage);
    } catch (thrown) {
      response = this.#refuse(thrown, passage);
    }
    metrics.counter("weir_requests_total").inc({ dialect: "trpc", route: prefix, status: response.status });
    metrics.histogram("weir_request_seconds").observe(
      { dialect: "trpc" },
      (clock.monotonic() - start) / 1000,
    );
    return response;
  }

  async #forward(passage: Passage): Promise<Response> {
    const { request, route, rest, call } = passage;
    const { config, rules } = route;
    if (dotSegment.test(rest)) throw new TrpcFailure("BAD_REQUEST", "The path must have no dot segments");
    checkCalls(call, config.max_calls);
    const isInput = bodyKind(request.method, request.headers.get("content-type"), rules) === "input";
    using held = new DisposableStack();
    const { admission, stalls } = this.#house;
    const lease = held.use(await admission.enter(passingBytes, { storesNothing: true }));
    const cut = new Cut();
    const watch = held.use(stalls.watch((refusal) => {
      // Only a stop ends what waits for its upstream: how long that may take is the route's own limit.
      if (refusal.code === "draining") cut.fire(refusal);
    }));
    watch.rest();
    const silence = new SilenceLimit(config.timeout_ms, () => cut.fire(tooLate(config.timeout_ms)));
    const reading = { maxBytes: config.max_body_bytes, stalls, lease };
    const body: ProxiedBody = isInput
      ? await readInput(request, { ...reading, call, rules })
      : streamOpaque(request, { ...reading, cut, silence });
    const { search, verdict } = isInput
      ? { search: passage.search, verdict: body.verdict }
      : this.#search(passage);
    this.#report(verdict, passage);

    request.signal.addEventListener("abort", () => cut.fire(new ClientGoneError()), { once: true });
    const all = held.move();
    const { head, body: replyBody } = await route.upstream.exchange({
      method: request.method,
      head: this.#requestHead(passage, { search, body }),
      body: body.sent,
    }, {
      cut,
      silence,
      isLimited,
      ended: () => {
        cut.listen(() => {});
        silence.stop();
        all.dispose();
      },
    });
    dropHopByHop(head.headers);
    if (verdict.action === "normalized") head.headers.set(normalizedHeader, verdict.steps.join(", "));
    return new Response(replyBody, { status: head.status, headers: head.headers });
  }

  /** The query, its input judged where a call has it there. */
  #search({ request, search, call, route }: Passage): { search: string; verdict: PassedVerdict } {
    if (request.method !== "GET") return { search, verdict: { action: "unchanged" } };
    const judged = normalizeSearch(search, call, route.rules);
    return { search: judged.search, verdict: passOrThrow(judged.verdict) };
  }

  #requestHead(passage: Passage, { search, body }: { search: string; body: ProxiedBody }): string {
    const { request, remote, route, rest } = passage;
    const target = `${route.base}${rest}${search}` || "/";
    if (!/^[\x21-\x7e]+$/.test(target)) {
      throw new TrpcFailure("BAD_REQUEST", "The address must be plain ASCII");
    }
    const { trusted_proxies: ranges } = this.#house.config.server;
    if (this.#trusted.ranges !== ranges) this.#trusted = new TrustedProxies(ranges);
    const hop = { remote, isTrusted: this.#trusted.has(remote), upstreamHost: route.upstreamHost };
    const lines = requestHeaderLines(request.headers, {
      ...hop,
      dropped: body.isDecoded ? "content-encoding" : "",
    });
    return `${request.method} ${target} HTTP/1.1\r\n${lines}${body.lengthLine}\r\n`;
  }

  #report(verdict: PassedVerdict, { route, request }: Passage): void {
    const { metrics, log } = this.#house;
    const { prefix } = route.config;
    metrics.counter("weir_trpc_requests_total").inc({ route: prefix, action: verdict.action });
    if (verdict.action === "unchanged") return;
    const request_id = requestIdOf(request.headers);
    log.info("tRPC input normalized", {
      route: prefix,
      method: request.method,
      reason: verdict.steps.join(", "),
      request_id,
    });
  }

  #refuse(thrown: unknown, { request, route, call }: Passage): Response {
    if (thrown instanceof ClientGoneError) return new Response(null, { status: 499 });
    const { log, metrics } = this.#house;
    const { prefix, transformer } = route.config;
    const failure = asFailure(thrown);
    const code = codeOf(thrown, failure.word);
    if (failure.status < 500) {
      metrics.counter("weir_trpc_requests_total").inc({ route: prefix, action: "refused" });
    }
    const { level } = errorTable[code];
    const request_id = requestIdOf(request.headers);
    const facts = {
      dialect: "trpc",
      route: prefix,
      method: request.method,
      code,
      status: failure.status,
      request_id,
    };
    const isOurs = thrown instanceof TrpcFailure || thrown instanceof WeirError;
    log[level]("Request refused", {
      ...facts,
      ...(isOurs ? { reason: failure.message } : { error: describeError(thrown) }),
    });
    const headers = new Headers({ "content-type": "application/json" });
    if (request_id !== undefined) headers.set("request-id", request_id);
    if (thrown instanceof WeirError) {
      for (const [name, value] of Object.entries(thrown.headers ?? {})) headers.set(name, value);
      if (thrown.retryAfterS !== undefined) headers.set("retry-after", String(thrown.retryAfterS));
    }
    const text = failureText(failure, { call, transformer, headers: request.headers });
    return new Response(request.method === "HEAD" ? null : text, { status: failure.status, headers });
  }
}

/** Events and streamed batches are silent for as long as their procedures are. */
function isLimited({ headers }: ReplyHead): boolean {
  return !headers.get("content-type")?.startsWith("text/event-stream") &&
    !headers.get("vary")?.includes("trpc-");
}

function tooLate(timeoutMs: number): TrpcFailure {
  return new TrpcFailure("GATEWAY_TIMEOUT", `The tRPC server did not answer within ${timeoutMs} ms`);
}

function asFailure(thrown: unknown): TrpcFailure {
  if (thrown instanceof TrpcFailure) return thrown;
  if (thrown instanceof WeirError) return new TrpcFailure(errorWordOf(thrown.status), thrown.message);
  if (thrown instanceof UpstreamTlsError) {
    return new TrpcFailure(
      "BAD_GATEWAY",
      "The tRPC server's certificate is not trusted, or it speaks no TLS",
    );
  }
  if (thrown instanceof UpstreamError) {
    return new TrpcFailure("BAD_GATEWAY", "The tRPC server could not be reached");
  }
  return new TrpcFailure("INTERNAL_SERVER_ERROR", "Internal server error");
}

const codes: Partial<Record<TrpcErrorWord, ErrorCode>> = {
  PARSE_ERROR: "malformed_json",
  BAD_REQUEST: "invalid_body",
  PAYLOAD_TOO_LARGE: "body_too_large",
  UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
  BAD_GATEWAY: "upstream_failed",
  GATEWAY_TIMEOUT: "upstream_timeout",
};

function codeOf(thrown: unknown, word: TrpcErrorWord): ErrorCode {
  if (thrown instanceof UpstreamTlsError) return "upstream_untrusted";
  return thrown instanceof WeirError ? thrown.code : codes[word] ?? "internal";
}

/** The sender's own, where it is fit for a log line. */
function requestIdOf(headers: Headers): string | undefined {
  const sent = headers.get("request-id");
  return sent !== null && /^[\w.:-]{1,128}$/.test(sent) ? sent : undefined;
}
