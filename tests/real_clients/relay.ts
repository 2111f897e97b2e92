/**
 * Stands between a client and the daemon and writes down what goes through.
 * @module
 */

/** One request that went through, with its answer. */
export interface Relayed {
  readonly path: string;
  readonly headers: Headers;
  /** As sent, read as JSON. */
  // deno-lint-ignore no-explicit-any -- whatever the client sends
  readonly body: any;
  readonly status: number;
  readonly reply: unknown;
}

/** A listener that passes everything on. */
export interface Relay extends AsyncDisposable {
  readonly url: string;
  /** In the order in which the answers came. */
  readonly seen: readonly Relayed[];
}

/** Starts a relay to `target`. */
export function startRelay(target: string): Relay {
  const seen: Relayed[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname: path } = new URL(request.url);
    const { method, headers } = request;
    const body = await request.bytes();
    const response = await fetch(target + path, { method, headers, body });
    const reply = await response.text();
    seen.push({
      path,
      headers,
      body: JSON.parse(new TextDecoder().decode(body)),
      status: response.status,
      reply: JSON.parse(reply),
    });
    return new Response(reply, { status: response.status, headers: response.headers });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    seen,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
