/**
 * Errors in the form that clients of dialect `backend` know (contract `backend`, 1), with what is said of them in
 * every dialect beside it.
 * @module
 */

import type { Dialect } from "../dialect.ts";

const names: Record<number, string> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  413: "Payload Too Large",
  415: "Unsupported Media Type",
  503: "Service Unavailable",
};

/** `{"ok":false,"statusCode","message","error","code","retryable"}`; `error` is missing where it says nothing. */
export const errorBody: NonNullable<Dialect["errorBody"]> = ({ status, code, message, retryable }) => ({
  ok: false,
  statusCode: status,
  message,
  error: names[status],
  code,
  retryable,
});
