/**
 * The way to one upstream: connections that are kept, and one exchange after the other on each. Bytes of requests and
 * replies pass as they are, content codings included, which `fetch` would undo (ADR 7).
 * @module
 */

import { ConnectionClosedError, type RequestBody, UpstreamConnection } from "./connection.ts";
import type { Cut, SilenceLimit } from "./cut.ts";
import type { ReplyHead } from "./reply_head.ts";

/** A request, ready to be written. */
export interface UpstreamRequest {
  readonly method: string;
  /** Request line and headers, with the empty line at the end. */
  readonly head: string;
  readonly body: RequestBody;
}

/** What ends an exchange early, and what is told when it has ended. */
export interface ExchangeOptions {
  readonly cut: Cut;
  readonly silence: SilenceLimit;
  /** Is silence within this reply a fault? */
  isLimited(head: ReplyHead): boolean;
  /** Called once, when the last byte of the reply was taken, or will never be. */
  ended(): void;
}

/** A reply whose body may still be on its way. */
export interface UpstreamReply {
  readonly head: ReplyHead;
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer> | null;
}

/** The upstream could not be reached, or did not answer as HTTP/1.1 wants. */
export class UpstreamError extends Error {
  override readonly name: string = "UpstreamError";
}

/** The upstream was reached, and no secure connection came about: its certificate is not trusted, or it speaks no TLS. */
export class UpstreamTlsError extends UpstreamError {
  override readonly name: string = "UpstreamTlsError";
}

const maxIdle = 128;
/** Node closes connections that were idle for 5 s: a request must not meet one that is just being closed. */
const maxIdleMs = 4_000;

interface IdleConnection {
  readonly connection: UpstreamConnection;
  readonly since: number;
}

/** Connections to one origin. */
export class Upstream {
  readonly #origin: URL;
  readonly #caCerts: string[];
  #idle: IdleConnection[] = [];
  #isClosed = false;

  /** @param options.caCerts PEM texts of authorities that are trusted beside the runtime's own. @default none */
  constructor(origin: URL, options: { caCerts?: readonly string[] } = {}) {
    this.#origin = origin;
    this.#caCerts = [...options.caCerts ?? []];
  }

  /**
   * Sends a request and waits for the head of its reply.
   * @throws the reason of the cut, or UpstreamError; a request's body that fails has to cut
   */
  async exchange(request: UpstreamRequest, options: ExchangeOptions): Promise<UpstreamReply> {
    try {
      const kept = this.#takeIdle();
      if (kept !== undefined) {
        try {
          return await this.#run(kept, request, options);
        } catch (error) {
          if (options.cut.reason !== undefined || !mayRepeat(request, error)) throw error;
        }
      }
      return await this.#run(await this.#connect(options), request, options);
    } catch (error) {
      options.ended();
      throw failureOf(options.cut, error);
    }
  }

  /** Closes what is idle; what is in use is closed after use. */
  close(): void {
    this.#isClosed = true;
    for (const { connection } of this.#idle.splice(0)) connection.close();
  }

  async #run(
    connection: UpstreamConnection,
    request: UpstreamRequest,
    options: ExchangeOptions,
  ): Promise<UpstreamReply> {
    const { cut, silence } = options;
    cut.listen(() => connection.close());
    let isSent = false;
    try {
      silence.arm();
      // A reply may come before the body is sent, and in spite of it: that sending failed shows in the reading.
      connection.write(request.head, request.body).then(() => {
        isSent = true;
      }, () => undefined);
      const head = await connection.readHead(request.method);
      silence.rest();
      return this.#replyOf(connection, head, { ...options, isSent: () => isSent });
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  #replyOf(
    connection: UpstreamConnection,
    head: ReplyHead,
    options: ExchangeOptions & { isSent: () => boolean },
  ): UpstreamReply {
    const { framing } = head;
    // First it ends, so that nothing can cut a connection that serves the next request already.
    const done = (): void => {
      options.ended();
      this.#release(connection, head.isReusable && options.isSent());
    };
    if (framing.kind === "none") {
      done();
      return { head, body: null };
    }
    if (framing.kind === "length" && connection.holds(framing.bytes)) {
      const body = connection.takeHeld(framing.bytes);
      done();
      return { head, body };
    }
    return { head, body: streamOf(connection, head, { ...options, done }) };
  }

  #takeIdle(): UpstreamConnection | undefined {
    const oldest = performance.now() - maxIdleMs;
    // The latest first: those before it in line are older, and may grow too old.
    for (;;) {
      const idle = this.#idle.pop();
      if (idle === undefined) return undefined;
      if (idle.since >= oldest && idle.connection.isOpen) return idle.connection;
      idle.connection.close();
    }
  }

  async #connect({ cut, silence }: ExchangeOptions): Promise<UpstreamConnection> {
    const { protocol, hostname: host, port } = this.#origin;
    const hostname = host.replace(/^\[|\]$/g, "");
    silence.arm();
    const opening = protocol === "https:"
      ? connectTls({ hostname, port: Number(port || 443), caCerts: this.#caCerts })
      : Deno.connect({ hostname, port: Number(port || 80) }).then((socket) => {
        socket.setNoDelay(true);
        return socket;
      });
    const cutShort = new Promise<undefined>((resolve) => cut.listen(() => resolve(undefined)));
    const socket = await Promise.race([opening, cutShort]);
    if (socket !== undefined) return new UpstreamConnection(socket);
    opening.then((late) => late.close(), () => undefined);
    throw cut.reason;
  }

  #release(connection: UpstreamConnection, isReusable: boolean): void {
    if (!isReusable || this.#isClosed || !connection.isOpen || !connection.isClean) return connection.close();
    if (this.#idle.length >= maxIdle) this.#idle.shift()?.connection.close();
    const idle: IdleConnection = { connection, since: performance.now() };
    this.#idle.push(idle);
    connection.watchIdle(() => {
      this.#idle = this.#idle.filter((other) => other !== idle);
    });
  }
}

/** Connects, and waits until the peer has shown who it is. @throws UpstreamTlsError, or what a connection fails with */
async function connectTls(
  options: { hostname: string; port: number; caCerts: string[] },
): Promise<Deno.TlsConn> {
  const socket = await Deno.connectTls({ ...options, alpnProtocols: ["http/1.1"] });
  try {
    await socket.handshake();
    return socket;
  } catch (error) {
    socket.close();
    throw new UpstreamTlsError("No secure connection to the upstream came about", { cause: error });
  }
}

/** A body that is pulled from its connection as it is read. */
function streamOf(
  connection: UpstreamConnection,
  head: ReplyHead,
  options: ExchangeOptions & { done: () => void },
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { cut, silence, isLimited, done, ended } = options;
  const pieces = connection.readBody(head);
  const limited = isLimited(head);
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller): Promise<void> {
      try {
        if (limited) silence.arm();
        const { value, done: isLast } = await pieces.next();
        silence.rest();
        if (!isLast) return controller.enqueue(value);
        done();
        controller.close();
      } catch (error) {
        connection.close();
        ended();
        controller.error(failureOf(cut, error));
      }
    },
    cancel(): void {
      connection.close();
      ended();
    },
  }, { highWaterMark: 0 });
}

/** May the request be sent again, after a kept connection turned out to be closed? */
function mayRepeat({ method, body }: UpstreamRequest, error: unknown): boolean {
  const isSafe = body.kind === "none" && (method === "GET" || method === "HEAD");
  return isSafe && error instanceof ConnectionClosedError && !error.hadReply;
}

function failureOf({ reason }: Cut, error: unknown): Error {
  if (reason === undefined && error instanceof UpstreamTlsError) return error;
  return reason ??
    new UpstreamError("The upstream could not be reached, or its reply is not whole", { cause: error });
}
