/**
 * The normaliser in front of a server that takes `Request` and gives `Response`, such as tRPC's fetch adapter.
 * @module
 */

import {
  bodyKind,
  checkCalls,
  defaultMaxBodyBytes,
  defaultMaxCalls,
  judgeBody,
  passOrThrow,
  type TrpcLimits,
} from "./body_kind.ts";
import { readCall, type TrpcCall } from "./call.ts";
import { failureText, TrpcFailure } from "./failure.ts";
import { normalizedHeader, type TrpcRules, type TrpcStep } from "./normalize.ts";
import { normalizeSearch } from "./search_input.ts";
import { collectBody, contentCoding } from "./whole_body.ts";

/** What both middlewares are told. */
export interface TrpcMiddlewareOptions extends TrpcRules, TrpcLimits {
  /** Called for each request that was changed or refused, with what was done; no payload is in it. */
  readonly onAction?: (done: TrpcDone) => void;
}

/** What was done to one request. */
export type TrpcDone =
  | { readonly action: "normalized"; readonly steps: readonly TrpcStep[] }
  | { readonly action: "refused"; readonly status: number; readonly reason: string };

/** How {@link normalizeFetch} works. */
export interface FetchMiddlewareOptions extends TrpcMiddlewareOptions {
  /** Path under which the procedures lie, as tRPC's fetch adapter is told. Others pass by untouched. */
  readonly endpoint: string;
}

/** A handler of requests; further arguments are passed on. */
export type FetchHandler<Rest extends unknown[]> = (
  request: Request,
  ...rest: Rest
) => Response | Promise<Response>;

interface Looked {
  readonly request: Request;
  readonly steps: readonly TrpcStep[];
}

/**
 * Puts the normaliser before a handler. A request that needs no look reaches it as it came; one that does has its body
 * read whole first, as slowly as it comes.
 */
export function normalizeFetch<Rest extends unknown[]>(
  handler: FetchHandler<Rest>,
  options: FetchMiddlewareOptions,
): (request: Request, ...rest: Rest) => Promise<Response> {
  const { version = 11, transformer = "none", onAction } = options;
  const endpoint = `/${options.endpoint.replace(/^\/|\/$/g, "")}/`.replace(/^\/\/$/, "/");
  return async (request, ...rest) => {
    const { pathname, search } = new URL(request.url);
    if (!pathname.startsWith(endpoint)) return await handler(request, ...rest);
    const call = readCall(pathname.slice(endpoint.length), search, { version });
    let looked: Looked;
    try {
      looked = await look(request, call, options);
    } catch (error) {
      if (!(error instanceof TrpcFailure)) throw error;
      onAction?.({ action: "refused", status: error.status, reason: error.message });
      const text = failureText(error, { call, transformer, headers: request.headers });
      return new Response(text, { status: error.status, headers: { "content-type": "application/json" } });
    }
    const { steps } = looked;
    const response = await handler(looked.request, ...rest);
    if (steps.length === 0) return response;
    onAction?.({ action: "normalized", steps });
    const headers = new Headers(response.headers);
    headers.set(normalizedHeader, steps.join(", "));
    return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
  };
}

async function look(request: Request, call: TrpcCall, options: FetchMiddlewareOptions): Promise<Looked> {
  const { version = 11, maxBodyBytes = defaultMaxBodyBytes, maxCalls = defaultMaxCalls } = options;
  checkCalls(call, maxCalls);
  const { method, headers } = request;
  if (method === "GET") return lookAtSearch(request, call, options);
  if (bodyKind(method, headers.get("content-type"), { version }) === "opaque") return { request, steps: [] };
  const coding = contentCoding(headers.get("content-encoding"));
  const announced = Number(headers.get("content-length") ?? 0);
  const maxBytes = coding === "identity" && announced > maxBodyBytes ? -1 : maxBodyBytes;
  const sent = await collectBody(request.body ?? noChunks(), { coding, maxBytes });
  const verdict = judgeBody(sent, call, options);
  const steps: TrpcStep[] = coding === "identity" ? [] : ["decoded"];
  if (verdict.action === "normalized") steps.push(...verdict.steps);
  const nextHeaders = new Headers(headers);
  nextHeaders.delete("content-encoding");
  if (steps.length > 0) nextHeaders.delete("content-length");
  const body = verdict.action === "normalized" ? verdict.text : sent;
  return { request: new Request(request, { headers: nextHeaders, body }), steps };
}

function lookAtSearch(request: Request, call: TrpcCall, options: FetchMiddlewareOptions): Looked {
  const url = new URL(request.url);
  const { verdict, search } = normalizeSearch(url.search, call, options);
  const passed = passOrThrow(verdict);
  if (passed.action === "unchanged") return { request, steps: [] };
  url.search = search;
  return { request: new Request(url, request), steps: passed.steps };
}

async function* noChunks(): AsyncGenerator<Uint8Array<ArrayBuffer>> {}
