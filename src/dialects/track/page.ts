/**
 * Paths and referrers of events (contract `track`, 1.5).
 * @module
 */

import { campaignReferrer, referrerOf } from "./referrers.ts";

/** What `__path` and `__referrer` say. Members that are not known are "". */
export interface Page {
  readonly path: string;
  readonly origin: string;
  /** With its `?`. */
  readonly query: string;
  /** With its `#`. */
  readonly hash: string;
  readonly referrer: string;
}

/**
 * Reads a page from the special properties. An absolute URL is taken apart, a path stays a path, and anything
 * else is the name of a route, kept as it is. A referrer on the page's own host is none.
 */
export function readPage(path: unknown, referrer: unknown): Page {
  const pathText = typeof path === "string" ? path : "";
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(pathText) ? parseUrl(pathText) : undefined;
  return {
    path: url ? url.pathname : pathText,
    origin: url ? originOf(url) : "",
    query: url ? url.search : "",
    hash: url ? url.hash : "",
    referrer: readReferrer(referrer, url?.hostname),
  };
}

/** The columns of a page, as JSON members with a leading comma each; what is not known is left out. */
export function pageColumns(path: unknown, referrer: unknown): string {
  if (path === undefined && referrer === undefined) return "";
  const page = readPage(path, referrer);
  let out = "";
  for (const name of ["path", "origin", "query", "hash", "referrer"] as const) {
    if (page[name] !== "") out += `,"${name}":${JSON.stringify(page[name])}`;
  }
  const { name, type } = campaignReferrer(page.query) ?? referrerOf(page.referrer);
  if (name !== "") out += `,"referrer_name":${JSON.stringify(name)}`;
  if (type !== "") out += `,"referrer_type":${JSON.stringify(type)}`;
  return out;
}

function readReferrer(referrer: unknown, ownHost: string | undefined): string {
  if (typeof referrer !== "string" || referrer === "") return "";
  if (ownHost !== undefined && parseUrl(referrer)?.hostname === ownHost) return "";
  let end = referrer.length;
  while (end > 0 && referrer[end - 1] === "/") end--;
  return referrer.slice(0, end);
}

/** Apps have schemes of their own, whose origin is opaque to `URL`. */
function originOf(url: URL): string {
  return url.origin === "null" ? `${url.protocol}//${url.host}` : url.origin;
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
