/**
 * Requests as tests need them: whole ones, and ones that are cut, slow or wrong.
 * @module
 */

/** A reply, read to its end. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined where it is none. */
  readonly json: unknown;
}

/** What goes with a request besides its body. */
export interface SendOptions {
  /** @default "POST" where there is a body, else "GET" */
  method?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/**
 * Sends one request and reads the reply to its end.
 *
 * @param body A value is sent as JSON; texts, bytes and streams go as they are, as application/json unless
 *   `options.headers` says otherwise.
 */
export async function send(url: string, body?: unknown, options: SendOptions = {}): Promise<Reply> {
  const headers = new Headers(options.headers);
  if (body !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json");
  const response = await fetch(url, {
    method: options.method ?? (body === undefined ? "GET" : "POST"),
    headers,
    body: asBody(body),
    signal: options.signal,
    redirect: "manual",
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parsedOrUndefined(text) };
}

function asBody(body: unknown): BodyInit | undefined {
  if (body === undefined || typeof body === "string" || body instanceof ReadableStream) return body;
  if (body instanceof Uint8Array) return body as Uint8Array<ArrayBuffer>;
  return JSON.stringify(body);
}

/** A connection whose bytes the test writes itself. */
export interface RawConnection extends Disposable {
  write(bytes: string | Uint8Array): Promise<void>;
  /** The next reply, read to its end (Content-Length, chunked, or none); undefined when the peer closed. */
  readReply(): Promise<Reply | undefined>;
  /** The next bytes as text; undefined when the peer closed. */
  readSome(): Promise<string | undefined>;
  /** Closes the sending direction only. */
  closeWrite(): Promise<void>;
  close(): void;
}

/** Connects to the host and port of `url`. */
export async function openRaw(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const buffer = new Uint8Array(64 * 1024);
  let closed = false;
  // Latin-1 keeps one character a byte, so that positions in the text are positions in the stream.
  let pending = "";

  const fill = async (): Promise<boolean> => {
    try {
      const size = await connection.read(buffer);
      if (size === null) return false;
      pending += new TextDecoder("latin1").decode(buffer.subarray(0, size));
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BadResource) {
        return false;
      }
      throw error;
    }
  };
  const close = (): void => {
    if (!closed) connection.close();
    closed = true;
  };

  return {
    async write(bytes: string | Uint8Array): Promise<void> {
      const all = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
      for (let at = 0; at < all.length;) at += await connection.write(all.subarray(at));
    },
    async readReply(): Promise<Reply | undefined> {
      for (;;) {
        const reply = takeReply(pending);
        if (reply) {
          pending = pending.slice(reply.size);
          return reply;
        }
        if (!await fill()) return undefined;
      }
    },
    async readSome(): Promise<string | undefined> {
      if (pending === "" && !await fill()) return undefined;
      const text = asUtf8(pending);
      pending = "";
      return text;
    },
    closeWrite: () => connection.closeWrite(),
    close,
    [Symbol.dispose]: close,
  };
}

/** The head of a request with a body of `contentLength` bytes, or chunked where that is undefined. */
export function requestHead(
  url: string,
  contentLength?: number,
  headers: Record<string, string> = {},
): string {
  const { host, pathname, search } = new URL(url);
  const all: Record<string, string> = {
    host,
    "content-type": "application/json",
    ...(contentLength === undefined
      ? { "transfer-encoding": "chunked" }
      : { "content-length": String(contentLength) }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `POST ${pathname}${search} HTTP/1.1\r\n${lines}\r\n`;
}

/** One complete reply at the start of `stream`, with the characters it takes up; undefined while it is cut. */
function takeReply(stream: string): (Reply & { size: number }) | undefined {
  const headEnd = stream.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const [statusLine, ...headerLines] = stream.slice(0, headEnd).split("\r\n");
  const status = Number(statusLine.split(" ")[1]);
  const headers = new Headers(headerLines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  }));
  const bodyStart = headEnd + 4;
  const body = headers.get("transfer-encoding") === "chunked"
    ? takeChunks(stream, bodyStart)
    : takeLength(stream, bodyStart, status < 200 ? 0 : Number(headers.get("content-length") ?? 0));
  if (!body) return undefined;
  const text = asUtf8(body.raw);
  return { status, headers, text, json: parsedOrUndefined(text), size: body.end };
}

function takeLength(stream: string, start: number, size: number): { raw: string; end: number } | undefined {
  if (stream.length < start + size) return undefined;
  return { raw: stream.slice(start, start + size), end: start + size };
}

function takeChunks(stream: string, start: number): { raw: string; end: number } | undefined {
  let raw = "";
  for (let at = start;;) {
    const lineEnd = stream.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = parseInt(stream.slice(at, lineEnd), 16);
    const end = lineEnd + 2 + size + 2;
    if (stream.length < end) return undefined;
    if (size === 0) return { raw, end };
    raw += stream.slice(lineEnd + 2, end - 2);
    at = end;
  }
}

function asUtf8(latin1: string): string {
  return new TextDecoder().decode(Uint8Array.from(latin1, (char) => char.charCodeAt(0)));
}

function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
