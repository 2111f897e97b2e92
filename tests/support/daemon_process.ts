/**
 * One process of the daemon, from its start to its end, with what it says on standard error.
 * @module
 */

import { TextLineStream } from "@std/streams";

/** The folder with main.ts in it, with a slash at the end. */
export const repositoryRoot = new URL("../../", import.meta.url).pathname;

/** One line of the daemon's standard error. A line that is no JSON has only `message`, the whole line. */
export interface LogLine {
  readonly message: string;
  readonly level?: string;
  readonly [field: string]: unknown;
}

/** How long `waitForLog` waits. */
export interface WaitOptions {
  /** @default 20_000 */
  timeoutMs?: number;
  /** Lines before this position in `logs()` do not count. @default where the latest start began */
  from?: number;
}

/** What {@link launchDaemon} starts. */
export interface LaunchOptions {
  /** After `serve`. */
  args: string[];
  env: Record<string, string>;
  cwd: string;
  /** Takes every line of standard error. */
  lines: LogLine[];
}

const patienceMs = 20_000;
/** Grace for requests in flight, the final flush, and room for a slow machine. */
const stopPatienceMs = 60_000;

/** One process, from its start to its end. */
export interface DaemonProcess {
  readonly pid: number;
  /** Position of its first line among all lines. */
  readonly firstLine: number;
  reached(stage: "spawned" | "listening" | "ready"): Promise<void>;
  /** @see Daemon.waitForLog */
  waitForLog(matches: string | ((line: LogLine) => boolean), options?: WaitOptions): Promise<LogLine>;
  kill9(): Promise<void>;
  /** Asks it to stop; one that has not after a minute is killed, which its exit code (137) shows. */
  stop(signal: Deno.Signal): Promise<number>;
  exit(): Promise<number>;
  signal(name: Deno.Signal): void;
}

/** Starts `main.ts serve` with the permissions of the start task. */
export async function launchDaemon(options: LaunchOptions): Promise<DaemonProcess> {
  const { lines } = options;
  const firstLine = lines.length;
  const child = new Deno.Command(Deno.execPath(), {
    args: [...await startFlags(), `${repositoryRoot}main.ts`, "serve", ...options.args],
    cwd: options.cwd,
    clearEnv: true,
    env: { ...ownEnv(), ...await startEnv(), ...options.env },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();

  const waiters = new Set<() => void>();
  let ended = false;
  const wake = (): void => waiters.forEach((waiter) => waiter());
  const reading = readLines(child.stderr, (line) => {
    lines.push(line);
    wake();
  });
  const exit = Promise.all([child.status, reading]).then(([status]) => {
    ended = true;
    wake();
    return status.code;
  });

  const tail = (): string => lines.slice(firstLine).slice(-15).map((line) => JSON.stringify(line)).join("\n");
  const waitForLog: DaemonProcess["waitForLog"] = async (matches, wait = {}) => {
    const fits = typeof matches === "string" ? (line: LogLine) => line.message === matches : matches;
    const what = typeof matches === "string" ? `the log line "${matches}"` : "a log line";
    const deadline = performance.now() + (wait.timeoutMs ?? patienceMs);
    for (let at = wait.from ?? firstLine;; at++) {
      while (at >= lines.length) {
        if (ended) throw new Error(`The daemon ended before ${what} came:\n${tail()}`);
        if (!await nextLine(waiters, deadline)) throw new Error(`No sign of ${what} in time:\n${tail()}`);
      }
      if (fits(lines[at])) return lines[at];
    }
  };
  const signal = (name: Deno.Signal): void => {
    try {
      child.kill(name);
    } catch (error) {
      // It has gone already: NotFound before its status was read, TypeError after.
      if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
    }
  };

  return {
    pid: child.pid,
    firstLine,
    async reached(stage): Promise<void> {
      if (stage === "spawned") return;
      await waitForLog("Listening");
      const { address } = await waitForLog("Admin listening");
      if (stage === "ready") await untilReady(`http://${address}/healthz/ready`, () => ended, tail);
    },
    waitForLog,
    async kill9(): Promise<void> {
      signal("SIGKILL");
      await exit;
    },
    async stop(name): Promise<number> {
      signal(name);
      const timer = setTimeout(() => signal("SIGKILL"), stopPatienceMs);
      const code = await exit;
      clearTimeout(timer);
      return code;
    },
    exit: () => exit,
    signal,
  };
}

/** Flags of the start task, so that tests run with the permissions that users have. */
export async function startFlags(): Promise<string[]> {
  const words = await startWords();
  const flags = words.slice(words.indexOf("deno") + 1, words.indexOf("main.ts"));
  return [...flags, "--config", `${repositoryRoot}deno.json`];
}

/** What the start task sets in the environment. */
async function startEnv(): Promise<Record<string, string>> {
  const words = await startWords();
  return Object.fromEntries(words.slice(0, words.indexOf("deno")).map((word) => word.split("=")));
}

async function startWords(): Promise<string[]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${repositoryRoot}deno.json`));
  return (tasks.start.command as string).split(" ");
}

/** The environment of the test without what would configure the daemon. */
export function ownEnv(): Record<string, string> {
  const kept = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("WEIR_"));
  return Object.fromEntries(kept);
}

async function readLines(
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (line: LogLine) => void,
): Promise<void> {
  const texts = bytes.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const text of texts) {
    if (text !== "") take(asLogLine(text));
  }
}

function asLogLine(text: string): LogLine {
  try {
    const value = JSON.parse(text);
    if (typeof value?.message === "string") return value;
  } catch {
    return { message: text };
  }
  return { message: text };
}

/** Resolves true with the next line or the end of the process, false at the deadline. */
async function nextLine(waiters: Set<() => void>, deadline: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const waiter = (): void => resolve(true);
  const timer = setTimeout(() => resolve(false), Math.max(0, deadline - performance.now()));
  waiters.add(waiter);
  try {
    return await promise;
  } finally {
    waiters.delete(waiter);
    clearTimeout(timer);
  }
}

async function untilReady(url: string, ended: () => boolean, tail: () => string): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    if (ended()) throw new Error(`The daemon ended before it was ready:\n${tail()}`);
    if (performance.now() > deadline) throw new Error(`The daemon was not ready in time:\n${tail()}`);
    try {
      const response = await fetch(url);
      await response.body?.cancel();
      if (response.ok) return;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
