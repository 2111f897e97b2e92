/**
 * Gives each request of a server a trace: for Express and its relatives, and for handlers of the web kind
 * (Deno.serve, Bun.serve, hono).
 * @module
 */

import type { RequestTrace, TraceBatcher } from "./trace_batcher.ts";

/** How requests are traced. */
export interface TraceMiddlewareOptions {
  /** Header with the id of the action in the user interface. @default "x-bug-action-id" */
  readonly actionHeader?: string;
  /** Headers that are recorded; others may hold secrets. @default none */
  readonly recordHeaders?: readonly string[];
  /** Requests that are not traced. */
  readonly skip?: (request: { method: string; url: string }) => boolean;
}

/** What the middleware needs of a request of Express. */
export interface ExpressRequest {
  readonly method: string;
  readonly originalUrl?: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Set by the middleware. */
  weirTrace?: RequestTrace;
}

/** What the middleware needs of a response of Express. */
export interface ExpressResponse {
  readonly statusCode: number;
  once(event: "finish" | "close", listener: () => void): unknown;
}

const traces = new WeakMap<object, RequestTrace>();

/** The trace of a request that a middleware of this file has seen; undefined where none has. */
export function traceOf(request: object): RequestTrace | undefined {
  return traces.get(request);
}

/** A middleware of Express: the trace is `req.weirTrace`, and ends with the response. */
export function expressTracing(
  batcher: TraceBatcher,
  options: TraceMiddlewareOptions = {},
): (req: ExpressRequest, res: ExpressResponse, next: () => void) => void {
  return (req, res, next) => {
    const url = req.originalUrl ?? req.url;
    const trace = begin(batcher, options, {
      method: req.method,
      url,
      header: (name) => [req.headers[name] ?? []].flat()[0],
    });
    if (trace !== undefined) {
      traces.set(req, trace);
      req.weirTrace = trace;
      // A client that hangs up closes the response without finishing it.
      res.once("finish", () => trace.end({ status: res.statusCode }));
      res.once("close", () => trace.end({ status: res.statusCode }));
    }
    next();
  };
}

/** A handler whose requests are traced: inside, {@link traceOf} gives the trace of a request. */
export function fetchTracing<Rest extends unknown[]>(
  batcher: TraceBatcher,
  handler: (request: Request, ...rest: Rest) => Response | Promise<Response>,
  options: TraceMiddlewareOptions = {},
): (request: Request, ...rest: Rest) => Promise<Response> {
  return async (request, ...rest) => {
    const { pathname, search } = new URL(request.url);
    const trace = begin(batcher, options, {
      method: request.method,
      url: pathname + search,
      header: (name) => request.headers.get(name) ?? undefined,
    });
    if (trace === undefined) return await handler(request, ...rest);
    traces.set(request, trace);
    try {
      const response = await handler(request, ...rest);
      trace.end({ status: response.status });
      return response;
    } catch (error) {
      trace.event({ type: "error", error });
      trace.end({ status: 500 });
      throw error;
    }
  };
}

interface Seen {
  readonly method: string;
  readonly url: string;
  header(name: string): string | undefined;
}

function begin(
  batcher: TraceBatcher,
  options: TraceMiddlewareOptions,
  { method, url, header }: Seen,
): RequestTrace | undefined {
  const { actionHeader = "x-bug-action-id", recordHeaders = [], skip } = options;
  if (skip?.({ method, url })) return undefined;
  const headers: Record<string, string> = {};
  for (const name of recordHeaders) {
    const value = header(name.toLowerCase());
    if (value !== undefined) headers[name.toLowerCase()] = value;
  }
  return batcher.begin({
    ...{ method, url, key: `${method} ${url.split("?", 1)[0]}`, actionId: header(actionHeader) },
    ...(recordHeaders.length > 0 ? { headers } : {}),
  });
}
