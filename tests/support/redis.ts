/**
 * A real Redis server for one test.
 * @module
 */

import { tempDir } from "./temp.ts";

/** How {@link startRedis} starts it. */
export interface RedisOptions {
  /** Further arguments of redis-server, such as `["--appendonly", "yes"]`. @default nothing is kept on disk */
  args?: string[];
}

/** A running Redis that keeps its port over {@link RedisServer.stop} and {@link RedisServer.start}. */
export interface RedisServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Stops the process; what is not on disk is lost. */
  stop(): Promise<void>;
  /** Starts it again on the same port, with what it kept on disk. */
  start(): Promise<void>;
  /** Leaves connections open but answers nobody, until {@link RedisServer.resume}. */
  pause(): void;
  resume(): void;
  /** The reply to one command, as redis-cli would print it raw: `await redis.command("DBSIZE")`. */
  command(...words: string[]): Promise<string>;
}

const startTimeoutMs = 10_000;

/** Starts redis-server on a free loopback port, with a temporary folder as its home. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const home = await tempDir();
  let port = freePort();
  let child: Deno.ChildProcess | undefined;

  const start = async (): Promise<void> => {
    child = spawnRedis(port, home.path, options.args ?? []);
    await waitForPong(port, child);
  };
  const stop = async (): Promise<void> => {
    // SIGKILL also ends a paused process, which SIGTERM does not.
    child?.kill("SIGKILL");
    await child?.status;
    child = undefined;
  };

  // Another process may take the free port first; a new one is tried then.
  for (let attempt = 1;; attempt++) {
    try {
      await start();
      break;
    } catch (error) {
      await stop().catch(() => {});
      if (attempt === 3) {
        await home[Symbol.asyncDispose]();
        throw error;
      }
      port = freePort();
    }
  }

  return {
    get url() {
      return `redis://127.0.0.1:${port}`;
    },
    get port() {
      return port;
    },
    stop,
    start,
    pause: () => child?.kill("SIGSTOP"),
    resume: () => child?.kill("SIGCONT"),
    command: (...words) => runCommand(port, words),
    async [Symbol.asyncDispose](): Promise<void> {
      await stop();
      await home[Symbol.asyncDispose]();
    },
  };
}

function spawnRedis(port: number, folder: string, args: string[]): Deno.ChildProcess {
  const fixed = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--dir",
    folder,
    "--save",
    "",
    "--daemonize",
    "no",
  ];
  const command = new Deno.Command("redis-server", {
    args: [...fixed, ...args],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  return command.spawn();
}

/** A port that was free a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

async function waitForPong(port: number, child: Deno.ChildProcess): Promise<void> {
  let ended = false;
  child.status.then(() => ended = true);
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    if (ended) throw new Error(`Cannot start redis-server on port ${port}: it ended at once`);
    try {
      if (await answersPing(port)) return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    }
    if (performance.now() > deadline) throw new Error(`Cannot reach redis-server on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function answersPing(port: number): Promise<boolean> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode("PING\r\n"));
  const buffer = new Uint8Array(7);
  const size = await connection.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, size ?? 0)) === "+PONG\r\n";
}

async function runCommand(port: number, words: string[]): Promise<string> {
  const command = new Deno.Command("redis-cli", {
    args: ["-p", String(port), "--raw", ...words],
    stdin: "null",
  });
  const { stdout, stderr, success } = await command.output();
  const text = new TextDecoder().decode(stdout).trimEnd();
  if (!success || /^[A-Z]+ERR|^ERR|^WRONGTYPE|^NOAUTH/.test(text)) {
    throw new Error(`Redis refused ${words[0]}: ${text}${new TextDecoder().decode(stderr)}`);
  }
  return text;
}
