/**
 * A program of a client's user, run as a process of its own: JSON lines go in, JSON lines come out.
 * @module
 */

import { TextLineStream } from "@std/streams";

/** What {@link startClient} starts. */
export interface ClientOptions {
  /** Such as `node`. */
  readonly command: string;
  readonly args: string[];
  /** Where packages are found from. */
  readonly cwd: string;
  /** Added to the test's own environment. */
  readonly env: Record<string, string>;
}

/** A running program. Disposing of it ends it. */
export interface ClientProcess extends AsyncDisposable {
  /** Sends a line to standard input. */
  send(value: unknown): Promise<void>;
  /**
   * The next line of standard output that is an object; libraries may print there as well.
   * @throws Error with what it said on standard error, when it ends first or is silent for too long
   */
  // deno-lint-ignore no-explicit-any -- looked into as a user would
  next(): Promise<any>;
  /** What it said on standard error so far. */
  complaints(): string;
}

const patienceMs = 30_000;

/** Starts the program. */
export function startClient({ command, args, cwd, env }: ClientOptions): ClientProcess {
  const child = new Deno.Command(command, {
    args,
    cwd,
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  const output = linesOf(child.stdout).getReader();
  let complaints = "";
  const reading = (async (): Promise<void> => {
    for await (const line of linesOf(child.stderr)) complaints += `${line}\n`;
  })();
  return {
    send: (value) => input.write(new TextEncoder().encode(JSON.stringify(value) + "\n")),
    // deno-lint-ignore no-explicit-any -- see the interface
    async next(): Promise<any> {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<{ value: undefined }>((resolve) => {
        timer = setTimeout(() => resolve({ value: undefined }), patienceMs);
      });
      try {
        for (;;) {
          const { value } = await Promise.race([output.read(), late]);
          if (value === undefined) throw new Error(`No further line from ${command}:\n${complaints}`);
          if (value.startsWith("{")) return JSON.parse(value);
        }
      } finally {
        clearTimeout(timer);
      }
    },
    complaints: () => complaints,
    async [Symbol.asyncDispose](): Promise<void> {
      try {
        child.kill("SIGKILL");
      } catch (error) {
        // It has gone already.
        if (!(error instanceof TypeError)) throw error;
      }
      await child.status;
      await Promise.all([reading, output.cancel(), input.abort().catch(() => {})]);
    },
  };
}

function linesOf(bytes: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<string> {
  return bytes.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}
