/**
 * The head of an HTTP/1.1 reply: status, headers, and how its body is framed (RFC 9112, section 6.3).
 * @module
 */

/** Where a body ends. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "close" };

/** A head, read. */
export interface ReplyHead {
  readonly status: number;
  /** As sent, hop-by-hop ones included. */
  readonly headers: Headers;
  readonly framing: Framing;
  /** May the connection be used again after the body? */
  readonly isReusable: boolean;
}

/** A reply that is not HTTP/1.1 as this proxy understands it. */
export class ReplyFormatError extends Error {
  override readonly name = "ReplyFormatError";
}

/** Statuses without a body: 205 must not have one either, and one that comes all the same ends the connection. */
const bodiless = [204, 205, 304];
const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: |$)/;

/**
 * Reads a head, without the empty line that ends it.
 * @param text One character a byte.
 * @throws ReplyFormatError
 */
export function readReplyHead(text: string, { method }: { method: string }): ReplyHead {
  const [first, ...lines] = text.split("\r\n");
  const match = statusLine.exec(first);
  if (match === null) throw new ReplyFormatError("The reply does not begin as HTTP/1.1 does");
  const status = Number(match[2]);
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    try {
      headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
    } catch (error) {
      throw new ReplyFormatError("A header of the reply is malformed", { cause: error });
    }
  }
  const framing = framingOf(headers, { status, method });
  const connection = headers.get("connection")?.toLowerCase() ?? "";
  const isReusable = framing.kind !== "close" && status !== 205 &&
    (match[1] === "1" ? !/\bclose\b/.test(connection) : /\bkeep-alive\b/.test(connection));
  return { status, headers, framing, isReusable };
}

function framingOf(headers: Headers, { status, method }: { status: number; method: string }): Framing {
  if (method === "HEAD" || status < 200 || bodiless.includes(status)) return { kind: "none" };
  const coding = headers.get("transfer-encoding");
  if (coding !== null) {
    if (coding.toLowerCase() === "chunked") return { kind: "chunked" };
    throw new ReplyFormatError("The reply has a transfer coding that was not asked for");
  }
  const length = headers.get("content-length");
  if (length === null) return { kind: "close" };
  // The same length given twice is tolerated, as RFC 9112 allows.
  const [bytes, ...others] = length.split(",").map((part) => part.trim());
  if (!/^\d{1,15}$/.test(bytes) || others.some((other) => other !== bytes)) {
    throw new ReplyFormatError("The reply has no Content-Length that could be one");
  }
  return { kind: "length", bytes: Number(bytes) };
}
