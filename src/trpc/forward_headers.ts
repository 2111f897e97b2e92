/**
 * Headers on their way through: those of one hop end here, and the upstream is told for whom it works.
 * @module
 */

/** Headers that concern one connection only (RFC 9110, section 7.6.1), and what this proxy answers itself. */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
]);

/** Headers in which proxies name a client: from others than trusted proxies they are made up. */
const claims = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-real-ip"];

/** Who sent the request, and to whom it goes. */
export interface Hop {
  /** Address of the socket's other end. */
  readonly remote: string;
  /** Is it a proxy whose word counts? */
  readonly isTrusted: boolean;
  /** Host and port of the upstream. */
  readonly upstreamHost: string;
  /** One more header that stays behind; "" for none. */
  readonly dropped: string;
}

/** The header lines of the request that goes to the upstream; all but those about its body. */
export function requestHeaderLines(headers: Headers, hop: Hop): string {
  const { remote, isTrusted, upstreamHost } = hop;
  const named = namedByConnection(headers);
  let lines = `host: ${upstreamHost}\r\n`;
  for (const [name, value] of headers) {
    const isOurs = name === "host" || name === "content-length" || name === hop.dropped ||
      claims.includes(name);
    if (!isOurs && !hopByHop.has(name) && !named?.has(name)) lines += `${name}: ${value}\r\n`;
  }
  const claim = (name: string): string | null => isTrusted ? headers.get(name) : null;
  const before = claim("x-forwarded-for");
  lines += `x-forwarded-for: ${before === null ? remote : `${before}, ${remote}`}\r\n`;
  lines += `x-forwarded-proto: ${claim("x-forwarded-proto") ?? "http"}\r\n`;
  lines += `x-forwarded-host: ${claim("x-forwarded-host") ?? headers.get("host") ?? ""}\r\n`;
  for (const name of ["forwarded", "x-real-ip"]) {
    const value = claim(name);
    if (value !== null) lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

/** Takes out of a reply's headers what concerned the connection to the upstream. */
export function dropHopByHop(headers: Headers): void {
  const named = namedByConnection(headers);
  for (const name of named ?? []) headers.delete(name);
  for (const name of hopByHop) headers.delete(name);
}

function namedByConnection(headers: Headers): Set<string> | undefined {
  const value = headers.get("connection");
  if (value === null) return undefined;
  return new Set(value.split(",").map((name) => name.trim().toLowerCase()).filter(isName));
}

/** `Connection` may name headers only; and never those that say where a body ends. */
function isName(text: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(text) && text !== "content-length";
}
