/**
 * The normaliser as a middleware of Express, in front of tRPC's Express adapter. It waits for the whole body, with no
 * timer, so that no early byte of a slow one is lost.
 * @module
 */

import {
  bodyKind,
  checkCalls,
  defaultMaxBodyBytes,
  defaultMaxCalls,
  passOrThrow,
  tooLargeFailure,
} from "./body_kind.ts";
import { readCall, type TrpcCall } from "./call.ts";
import { failureText, TrpcFailure } from "./failure.ts";
import type { TrpcMiddlewareOptions } from "./fetch_middleware.ts";
import { normalizedHeader, normalizeInput, type TrpcStep } from "./normalize.ts";
import { normalizeSearch } from "./search_input.ts";
import { collectBody, contentCoding } from "./whole_body.ts";

/** What is used of a request; those of Express 4 and 5 and of `node:http` with a `path` fit. */
export interface ExpressRequest {
  method?: string;
  url?: string;
  path?: string;
  headers: Record<string, string | string[] | undefined>;
  body?: unknown;
  readonly readableEnded?: boolean;
  readonly complete?: boolean;
  // deno-lint-ignore no-explicit-any -- node's own listeners: each event has arguments of its own
  on(event: string, listener: (...args: any[]) => void): unknown;
  // deno-lint-ignore no-explicit-any -- as above
  off(event: string, listener: (...args: any[]) => void): unknown;
  resume(): unknown;
}

/** What is used of a reply. */
export interface ExpressResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(text: string): unknown;
}

/** A middleware of Express. */
export type ExpressMiddleware = (
  request: ExpressRequest,
  response: ExpressResponse,
  next: (error?: unknown) => void,
) => void;

/** Before the adapter: `app.use("/trpc", normalizeExpress(options), createExpressMiddleware({ router }))`. */
export function normalizeExpress(options: TrpcMiddlewareOptions = {}): ExpressMiddleware {
  const { transformer = "none", onAction } = options;
  return (request, response, next) => {
    const call = callOf(request, options);
    look(request, call, options).then((steps) => {
      if (steps.length > 0) {
        response.setHeader(normalizedHeader, steps.join(", "));
        onAction?.({ action: "normalized", steps });
      }
      next();
    }).catch((error) => {
      if (!(error instanceof TrpcFailure)) return next(error);
      onAction?.({ action: "refused", status: error.status, reason: error.message });
      const headers = { get: (name: string): string | undefined => headerOf(request, name) };
      response.statusCode = error.status;
      response.setHeader("content-type", "application/json");
      response.end(failureText(error, { call, transformer, headers }));
    });
  };
}

/** As tRPC's adapter sees it: version 11 takes what follows the last slash, version 10 all of the path. */
function callOf({ path = "/", url = "" }: ExpressRequest, { version = 11 }: TrpcMiddlewareOptions): TrpcCall {
  const name = version === 11 ? path.slice(path.lastIndexOf("/") + 1) : path;
  return readCall(name, searchOf(url), { version });
}

async function look(
  request: ExpressRequest,
  call: TrpcCall,
  options: TrpcMiddlewareOptions,
): Promise<readonly TrpcStep[]> {
  const { version = 11, maxCalls = defaultMaxCalls } = options;
  checkCalls(call, maxCalls);
  if (request.method === "GET") return lookAtSearch(request, call, options);
  const kind = bodyKind(request.method ?? "", headerOf(request, "content-type"), { version });
  if (kind === "opaque") return [];
  const coding = contentCoding(headerOf(request, "content-encoding"));
  const isParsed = request.body !== undefined;
  // Somebody read the body and kept it: the adapter says so better than this could.
  if (!isParsed && request.readableEnded === true) return [];
  const text = isParsed ? parsedText(request) : await readText(request, { coding, options });
  const verdict = passOrThrow(normalizeInput(text, call, options));
  // Another parser has undone the coding already.
  const steps: TrpcStep[] = coding === "identity" || isParsed ? [] : ["decoded"];
  if (verdict.action === "normalized") steps.push(...verdict.steps);
  if (!isParsed || steps.length > 0 || text === "") {
    setBody(request, verdict.action === "normalized" ? verdict.text : text, version);
  }
  return steps;
}

function lookAtSearch(
  request: ExpressRequest,
  call: TrpcCall,
  options: TrpcMiddlewareOptions,
): readonly TrpcStep[] {
  const url = request.url ?? "";
  const judged = normalizeSearch(searchOf(url), call, options);
  const verdict = passOrThrow(judged.verdict);
  if (verdict.action === "unchanged") return [];
  request.url = `${url.split("?", 1)[0]}${judged.search}`;
  // Express 4 has parsed the query once and for all; that of Express 5 follows the url.
  if (Object.hasOwn(request, "query")) {
    const owner = request as { query?: Record<string, unknown> };
    owner.query = { ...owner.query, input: verdict.text };
  }
  return verdict.steps;
}

/** The body that a parser left, as the text it was. */
function parsedText(request: ExpressRequest): string {
  const { body } = request;
  if (typeof body === "string") return body;
  if (body instanceof Uint8Array) return new TextDecoder().decode(body);
  const hasBody = request.headers["transfer-encoding"] !== undefined ||
    Number(headerOf(request, "content-length") ?? 0) > 0;
  // express.json() of Express 4 makes {} of no body at all.
  return hasBody ? JSON.stringify(body) : "";
}

/** Leaves the body where the adapters look for it, in the form in which each of them takes it. */
function setBody(request: ExpressRequest, text: string, version: 10 | 11): void {
  const value = text === "" ? undefined : JSON.parse(text);
  // Version 11 takes a string for JSON text. Version 10 takes anything as parsed, under exactly this type.
  request.body = version === 11 && typeof value === "string" ? text : value;
  if (version === 10) request.headers["content-type"] = "application/json";
  // Keeps parsers after this one from waiting for a body that was read.
  (request as { _body?: boolean })._body = true;
}

async function readText(
  request: ExpressRequest,
  { coding, options }: { coding: string; options: TrpcMiddlewareOptions },
): Promise<string> {
  const { maxBodyBytes = defaultMaxBodyBytes } = options;
  const announced = Number(headerOf(request, "content-length") ?? 0);
  if (announced > maxBodyBytes) {
    request.resume();
    throw tooLargeFailure(maxBodyBytes);
  }
  const sent = await readAll(request, maxBodyBytes);
  return new TextDecoder().decode(await collectBody(oneChunk(sent), { coding, maxBytes: maxBodyBytes }));
}

/** By events: iterating would destroy the request where it stops early, and no error could be answered. */
function readAll(request: ExpressRequest, maxBytes: number): Promise<Uint8Array<ArrayBuffer>[]> {
  let resolve!: (chunks: Uint8Array<ArrayBuffer>[]) => void;
  let reject!: (error: TrpcFailure) => void;
  const promise = new Promise<Uint8Array<ArrayBuffer>[]>((yes, no) => [resolve, reject] = [yes, no]);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const onData = (chunk: Uint8Array<ArrayBuffer>): void => {
    size += chunk.length;
    if (size > maxBytes) return end(() => reject(tooLargeFailure(maxBytes)));
    chunks.push(chunk);
  };
  const onEnd = (): void => end(() => resolve(chunks));
  const onError = (): void => end(() => reject(new TrpcFailure("BAD_REQUEST", "The body was cut off")));
  const end = (settle: () => void): void => {
    request.off("data", onData);
    request.off("end", onEnd);
    request.off("close", onError);
    // A late error must find a listener; what still comes is of no use.
    request.resume();
    settle();
  };
  request.on("data", onData);
  request.on("end", onEnd);
  request.on("error", onError);
  request.on("close", onError);
  return promise;
}

async function* oneChunk(chunks: Uint8Array<ArrayBuffer>[]): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield* chunks;
}

function searchOf(url: string): string {
  const at = url.indexOf("?");
  return at < 0 ? "" : url.slice(at);
}

function headerOf(request: ExpressRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
