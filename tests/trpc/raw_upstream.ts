/**
 * An upstream whose replies are written byte by byte, so that they can be wrong, slow or cut.
 * @module
 */

/** One connection, as a script sees it. */
export interface RawPeer {
  /** The next request, head and body as they came; undefined when the client has closed. */
  nextRequest(): Promise<string | undefined>;
  write(bytes: string | Uint8Array): Promise<void>;
  close(): void;
}

/** A running upstream. */
export interface RawUpstream extends AsyncDisposable {
  readonly origin: string;
  /** Connections so far. */
  readonly connections: number;
}

/** Runs `script` for each connection, over TLS where there is a certificate; a connection that the script leaves open is closed at the end. */
export function startRawUpstream(
  script: (peer: RawPeer, connection: number) => Promise<void>,
  options: { tls?: { readonly cert: string; readonly key: string } } = {},
): RawUpstream {
  const { tls } = options;
  const at = { hostname: "127.0.0.1", port: 0 };
  const listener: Deno.Listener = tls === undefined ? Deno.listen(at) : Deno.listenTls({ ...at, ...tls });
  const open = new Set<Deno.Conn>();
  const running: Promise<void>[] = [];
  let connections = 0;
  const serve = async (socket: Deno.Conn, number: number): Promise<void> => {
    let pending = "";
    const buffer = new Uint8Array(64 * 1024);
    const close = (): void => {
      if (open.delete(socket)) socket.close();
    };
    const peer: RawPeer = {
      async nextRequest(): Promise<string | undefined> {
        for (;;) {
          const size = requestSize(pending);
          if (size !== undefined && pending.length >= size) {
            const request = pending.slice(0, size);
            pending = pending.slice(size);
            return request;
          }
          const read = await socket.read(buffer).catch(() => null);
          if (read === null) return undefined;
          pending += new TextDecoder("latin1").decode(buffer.subarray(0, read));
        }
      },
      async write(bytes): Promise<void> {
        const all = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
        for (let at = 0; at < all.length;) at += await socket.write(all.subarray(at));
      },
      close,
    };
    await script(peer, number);
  };
  const accepting = (async (): Promise<void> => {
    for await (const socket of listener) {
      open.add(socket);
      running.push(serve(socket, connections++).catch(() => undefined));
    }
  })();
  return {
    origin: `${tls === undefined ? "http" : "https"}://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      listener.close();
      await accepting;
      for (const socket of open) socket.close();
      open.clear();
      await Promise.all(running);
    },
  };
}

/** Characters of the first request; undefined while its head, or the end of its chunks, has not come. */
function requestSize(text: string): number | undefined {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const head = text.slice(0, headEnd).toLowerCase();
  if (head.includes("transfer-encoding: chunked")) {
    const end = text.indexOf("\r\n0\r\n\r\n", headEnd + 2);
    return end < 0 ? undefined : end + 7;
  }
  return headEnd + 4 + Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
}

/** A reply of status 200 with this JSON text. */
export function jsonReply(text: string): string {
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
}
