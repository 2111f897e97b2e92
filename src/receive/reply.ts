/**
 * Replies, errors and repeats as HTTP responses.
 * @module
 */

import type { WeirError } from "../base/errors.ts";
import type { KeptReply, Unit } from "../base/record.ts";
import type { Dialect, Reply } from "../dialects/dialect.ts";

const jsonType = "application/json; charset=utf-8";

/** A reply on the wire. */
export function toResponse(reply: Reply): Response {
  return new Response(reply.body, {
    status: reply.status,
    headers: { "content-type": reply.contentType ?? jsonType, ...reply.headers },
  });
}

/** The first one's reply, given again; a header tells that the request was not run. */
export function repeatResponse(kept: KeptReply): Response {
  return new Response(kept.body, {
    status: kept.status,
    headers: { "content-type": kept.contentType, "idempotent-replayed": "true" },
  });
}

/** An error on the wire: `{"status","error","message","code","retryable"}`, or the dialect's own form. */
export function errorResponse(error: WeirError, dialect: Dialect | undefined): Response {
  const { status, code, message, retryable } = error;
  const facts = { status, code, message, retryable };
  const body = dialect?.errorBody?.({ ...facts, details: error.details }) ??
    { error: errorNames[status] ?? "Error", ...facts };
  const headers: Record<string, string> = { "content-type": jsonType, ...error.headers };
  if (error.retryAfterS !== undefined) headers["retry-after"] = String(error.retryAfterS);
  return new Response(JSON.stringify(body), { status, headers });
}

const errorNames: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Payload Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Entity",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** Adds the reply to what the request stores, so that a repeat of its Idempotency-Key finds it. */
export function keepReply(unit: Unit, key: string, reply: Reply & { at: number }): void {
  const { status, body, at } = reply;
  const contentType = reply.contentType ?? jsonType;
  unit.writer.text(JSON.stringify({ kind: "reply", key, status, content_type: contentType, body, at }));
  unit.close({ family: "replies", key, reply: { status, contentType, body, at } });
}
