/**
 * Asks a Redis whether it is there, with as little as that takes: no client, no pool, one connection.
 *
 * Source: Redis serialization protocol specification, RESP2 (inline replies and bulk strings).
 * @module
 */

/** What Redis said. */
export interface RedisPing {
  readonly version: string;
  /** How long a PING took. */
  readonly ms: number;
}

const defaultPort = 6379;
const decoder = new TextDecoder();

/** @throws Error when it cannot be reached, refuses, or does not answer in time */
export async function pingRedis(address: string, timeoutMs: number): Promise<RedisPing> {
  const { protocol, hostname, port, username, password } = new URL(address);
  const at = { hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port || defaultPort) };
  const connecting = protocol === "rediss:" ? Deno.connectTls(at) : Deno.connect(at);
  const timeout = AbortSignal.timeout(timeoutMs);
  const ended = new Promise<never>((_, reject) =>
    timeout.addEventListener("abort", () => reject(new Error(`no answer within ${timeoutMs} ms`)))
  );
  // Nobody waits for it once the work is done.
  ended.catch(() => undefined);
  connecting.then(
    (connection) => timeout.addEventListener("abort", () => tryToClose(connection)),
    () => undefined,
  );
  const connection = await Promise.race([connecting, ended]);
  try {
    return await Promise.race([talk(connection, { username, password }), ended]);
  } finally {
    tryToClose(connection);
  }
}

async function talk(
  connection: Deno.Conn,
  { username, password }: { username: string; password: string },
): Promise<RedisPing> {
  if (password !== "") {
    const names = [username, password].filter((part) => part !== "").map(decodeURIComponent);
    await command(connection, ["AUTH", ...names]);
  }
  const start = performance.now();
  await command(connection, ["PING"]);
  const ms = performance.now() - start;
  const info = await command(connection, ["INFO", "server"]);
  return { version: /redis_version:(\S+)/.exec(info)?.[1] ?? "of unknown version", ms };
}

/** Sends one command and reads its reply: one line, or a text of announced length. */
async function command(connection: Deno.Conn, words: readonly string[]): Promise<string> {
  const encoder = new TextEncoder();
  const parts = words.map((word) => `$${encoder.encode(word).length}\r\n${word}\r\n`).join("");
  const bytes = encoder.encode(`*${words.length}\r\n${parts}`);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  const buffer = new Uint8Array(16_384);
  for (let reply = "";;) {
    const size = await connection.read(buffer);
    if (size === null) throw new Error("the connection was closed");
    reply += decoder.decode(buffer.subarray(0, size));
    const lineEnd = reply.indexOf("\r\n");
    if (lineEnd < 0) continue;
    if (reply.startsWith("-")) throw new Error(reply.slice(1, lineEnd));
    if (!reply.startsWith("$")) return reply.slice(1, lineEnd);
    if (reply.length >= lineEnd + 4 + Number(reply.slice(1, lineEnd))) return reply.slice(lineEnd + 2, -2);
  }
}

function tryToClose(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
