/**
 * A server that does what a test tells it, request by request.
 * @module
 */

import type { ClientClock } from "../../src/client/client_clock.ts";

/** A request as it came. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Answers one request; undefined breaks the connection without a word. */
export type Script = (request: Received, index: number) => Response | Promise<Response>;

/** A server on a free port. */
export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  /** Every request so far, in order. */
  readonly received: Received[];
}

/** Starts a server that answers as told. */
export function scriptedServer(script: Script): ScriptedServer {
  const received: Received[] = [];
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => undefined },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      const body = await request.bytes();
      const seen = { method: request.method, path: pathname + search, headers: request.headers, body };
      return await script(seen, received.push(seen) - 1);
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    received,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** What makes a hanging reply end, and every time limit of a clock. */
export interface Hang {
  /** A handler that never answers by itself; `clock` is told that its limits are over. */
  readonly script: () => Promise<Response>;
  release(): void;
}

/** A reply that does not come before it is released. */
export function hang(clock: ClientClock & { endLimits(): void }): Hang {
  const gate = Promise.withResolvers<void>();
  return {
    script: () => {
      queueMicrotask(() => clock.endLimits());
      return gate.promise.then(() => new Response("late"));
    },
    release: () => gate.resolve(),
  };
}

/**
 * A server that reads one request a connection, writes these bytes and closes.
 * @param replies One for each connection; the last one stays.
 */
export function cuttingServer(replies: readonly string[]): ScriptedServer & { readonly connections: number } {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  let connections = 0;
  const handle = async (connection: Deno.TcpConn, reply: string): Promise<void> => {
    using open = connection;
    await readRequest(open);
    await open.write(new TextEncoder().encode(reply)).catch(() => 0);
  };
  const handled: Promise<void>[] = [];
  const run = (async () => {
    for await (const connection of listener) {
      handled.push(handle(connection, replies[Math.min(connections++, replies.length - 1)]));
    }
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    received: [],
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      listener.close();
      await run;
      await Promise.all(handled);
    },
  };
}

/** Reads a request to the end of its body, so that closing is a clean end and no reset. */
async function readRequest(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return;
    text += new TextDecoder("latin1").decode(buffer.subarray(0, count));
    const end = text.indexOf("\r\n\r\n");
    const length = Number(text.match(/^content-length: (\d+)/im)?.[1] ?? 0);
    if (end >= 0 && text.length >= end + 4 + length) return;
  }
}
