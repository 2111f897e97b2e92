/**
 * Cross-origin requests (contract `track`, 1.6).
 * @module
 */

import { originFits } from "./auth.ts";

const maxAgeS = "604800";

/** The headers that let a page of an allowed origin read the reply; none without an Origin, or for others. */
export function corsHeaders(request: Request, allowed: readonly string[]): [string, string][] {
  const origin = request.headers.get("origin");
  if (origin === null) return [];
  if (allowed.includes("*")) return [["access-control-allow-origin", "*"]];
  if (!allowed.some((pattern) => originFits(origin, pattern))) return [];
  return [["access-control-allow-origin", origin], ["vary", "Origin"]];
}

/** The answer to OPTIONS on any path. */
export function preflight(request: Request, allowed: readonly string[]): Response {
  const headers = new Headers(corsHeaders(request, allowed));
  if (headers.has("access-control-allow-origin")) {
    headers.set("access-control-allow-methods", "GET,HEAD,POST");
    headers.set("access-control-max-age", maxAgeS);
    const asked = request.headers.get("access-control-request-headers");
    if (asked !== null) headers.set("access-control-allow-headers", asked);
  }
  return new Response(null, { status: 204, headers });
}
