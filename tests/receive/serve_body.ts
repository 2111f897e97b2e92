/**
 * A server that reads bodies and tells what it got: real connections, nothing of the daemon around it.
 * @module
 */

import { toWeirError } from "../../src/base/errors.ts";
import { readBody, readSmallBody } from "../../src/receive/body.ts";
import { StallWatch } from "../../src/receive/stall_watch.ts";

/** A clock that a test moves. */
export interface HandClock {
  at: number;
  now(): number;
  monotonic(): number;
}

/** A clock that stands at `at` until it is moved. */
export function handClock(at = 1_000): HandClock {
  const clock: HandClock = { at, now: () => clock.at, monotonic: () => clock.at };
  return clock;
}

/** What became of one body. */
export interface BodyResult {
  /** Bytes taken, decoded. */
  bytes: Uint8Array;
  /** Code of what it failed with. */
  code: string | undefined;
  message: string | undefined;
  /** Was it read in one piece? */
  isSmall: boolean;
}

/** A server of bodies. */
export interface BodyServer extends AsyncDisposable {
  readonly url: string;
  readonly stalls: StallWatch;
  readonly clock: HandClock;
  /** Resolves with the next result, in the order in which bodies were done with. */
  next(): Promise<BodyResult>;
  /** Resolves once a request has come whose body is read from now on. */
  begun(): Promise<void>;
}

/** How {@link serveBodies} reads. */
export interface ServeBodiesOptions {
  /** @default Infinity */
  maxBytes?: number;
  stallMs?: number;
  totalMs?: number;
  smallBytes?: number;
  /** Called with each chunk, before the next one is asked for. */
  onChunk?: (chunk: Uint8Array, server: BodyServer) => void | Promise<void>;
}

/** Serves on a free loopback port; a body is answered with its size, or the error's status and code. */
export function serveBodies(options: ServeBodiesOptions = {}): BodyServer {
  const { maxBytes = Infinity, stallMs = 30_000, totalMs = 600_000, smallBytes, onChunk } = options;
  const clock = handClock();
  const stalls = new StallWatch(() => ({ stall_timeout_ms: stallMs, body_timeout_ms: totalMs }), clock);
  const results = new Mailbox<BodyResult>();
  const begun = new Mailbox<void>();

  const handle = async (request: Request): Promise<Response> => {
    const chunks: Uint8Array[] = [];
    let isSmall = false;
    let failure: { code: string; message: string; status: number } | undefined;
    begun.put();
    try {
      const small = readSmallBody(request, { maxBytes, stalls, smallBytes });
      isSmall = small !== undefined;
      if (small !== undefined) chunks.push(await small);
      else {
        for await (const chunk of readBody(request, { maxBytes, stalls })) {
          chunks.push(chunk.slice());
          await onChunk?.(chunk, server);
        }
      }
    } catch (error) {
      failure = toWeirError(error);
    }
    const bytes = new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer());
    results.put({ bytes, code: failure?.code, message: failure?.message, isSmall });
    return new Response(failure?.code ?? String(bytes.length), { status: failure?.status ?? 200 });
  };
  const listener = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handle);
  const server: BodyServer = {
    url: `http://127.0.0.1:${listener.addr.port}/`,
    stalls,
    clock,
    next: () => results.take(),
    begun: () => begun.take(),
    async [Symbol.asyncDispose](): Promise<void> {
      await listener.shutdown();
      stalls.stop();
    },
  };
  return server;
}

/** Values in order, for whoever asks first. */
class Mailbox<T> {
  readonly #values: T[] = [];
  readonly #waiting: ((value: T) => void)[] = [];

  put(value: T): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(value);
    else this.#values.push(value);
  }

  take(): Promise<T> {
    if (this.#values.length > 0) return Promise.resolve(this.#values.shift()!);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
