/**
 * What refuses a call, in the words of Connect.
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { toWeirError, type WeirError } from "../../base/errors.ts";

/** The error as Connect tells it; what is to be waited for stands in its metadata. */
export function connectErrorOf(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const error = toWeirError(thrown);
  const metadata: HeadersInit = error.retryAfterS === undefined
    ? {}
    : { "retry-after": String(error.retryAfterS) };
  return new ConnectError(error.message, codeOf(error), metadata, undefined, thrown);
}

function codeOf({ code, status }: WeirError): Code {
  if (code === "overloaded" || code === "body_too_large") return Code.ResourceExhausted;
  if (code === "stalled") return Code.DeadlineExceeded;
  if (status === 503) return Code.Unavailable;
  if (status === 401) return Code.Unauthenticated;
  if (status === 403) return Code.PermissionDenied;
  if (status === 500) return Code.Internal;
  return Code.InvalidArgument;
}
