/**
 * Stands between daemons and Redis and counts what they ask: one script is one round trip.
 * @module
 */

/** A way to Redis that counts. */
export interface RedisProxy extends AsyncDisposable {
  /** In place of that of Redis. */
  readonly url: string;
  /** Scripts that went through so far. */
  readonly scripts: number;
}

const scriptCall = /\*\d+\r\n\$(?:7\r\nEVALSHA|4\r\nEVAL)\r\n/g;
/** A call that is cut between two chunks begins at most so far before the cut. */
const maxCallCharacters = 24;

/** Starts a proxy to the Redis on this loopback port. */
export function startRedisProxy(port: number): RedisProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.Conn>();
  let scripts = 0;

  /** Passes everything on, until either side has ended. */
  const pass = async (from: Deno.Conn, to: Deno.Conn, see: (bytes: Uint8Array) => void): Promise<void> => {
    try {
      for await (const chunk of from.readable) {
        see(chunk);
        for (let at = 0; at < chunk.length;) at += await to.write(chunk.subarray(at));
      }
    } catch {
      // One of the two is gone, and so is the other in a moment.
    } finally {
      close(from);
      close(to);
    }
  };
  const close = (connection: Deno.Conn): void => {
    if (!connections.delete(connection)) return;
    try {
      connection.close();
    } catch (error) {
      // Its stream has closed it.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  };
  const count = (): (bytes: Uint8Array) => void => {
    const decoder = new TextDecoder("latin1");
    let before = "";
    return (bytes) => {
      const text = before + decoder.decode(bytes);
      let end = 0;
      for (const match of text.matchAll(scriptCall)) {
        scripts++;
        end = match.index + match[0].length;
      }
      before = text.slice(Math.max(end, text.length - maxCallCharacters));
    };
  };
  const accept = async (): Promise<void> => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port });
      connections.add(client).add(server);
      passing.push(pass(client, server, count()), pass(server, client, () => {}));
    }
  };
  const passing: Promise<void>[] = [];
  const accepting = accept();
  return {
    url: `redis://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    get scripts() {
      return scripts;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      listener.close();
      await accepting;
      for (const connection of [...connections]) close(connection);
      await Promise.all(passing);
    },
  };
}
