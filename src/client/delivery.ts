/**
 * Bringing a request to a server: the one place of the client library that tries again, waits, compresses and
 * gives up. Web interfaces alone, so that it runs in Deno, Node 20+ and Bun.
 * @module
 */

import { type ClientClock, systemClock } from "./client_clock.ts";
import { backoffMs, isRetryableStatus, retryAfterMs, type RetryOptions, retryPolicy } from "./retry.ts";

/** How {@link Delivery} works; every part may be replaced in a test. */
export interface DeliveryOptions extends RetryOptions {
  /** One try, from its start to the last byte of the reply. @default 60000 */
  timeoutMs?: number;
  /** Compress bodies of {@link gzipMinBytes} and more. A server that answers 415 gets them as they are. @default false */
  gzip?: boolean;
  /** Bytes. @default 1024 */
  gzipMinBytes?: number;
  /** A longer reply is no answer. Bytes. @default 16777216 */
  maxReplyBytes?: number;
  /**
   * Does waiting for the next try keep the program alive? Right for what somebody awaits; wrong for work in the
   * background of a program that should end when it is done. @default false
   */
  holdsProcess?: boolean;
  /** Told of every try when it ended; what it throws is dropped. */
  onTry?: (report: TryReport) => void;
  /** @default the runtime's */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  clock?: ClientClock;
  /** From 0 to 1, 1 excluded. @default Math.random */
  random?: () => number;
}

/** What is to be delivered. */
export interface DeliveryRequest {
  readonly url: string;
  /** @default "POST" with a body, else "GET" */
  readonly method?: string;
  readonly headers?: HeadersInit;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** Sent as Idempotency-Key, the same with each try. */
  readonly idempotencyKey?: string;
  /** Gives up at once. */
  readonly signal?: AbortSignal;
  /** @default what {@link DeliveryOptions} say */
  readonly timeoutMs?: number;
  /** Is this reply, whose status is no reason to try again, one all the same? */
  readonly isRetryableReply?: (reply: DeliveryReply) => boolean;
}

/** A reply that was read to its end. */
export interface DeliveryReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Why there is no reply. */
export type NoReplyReason =
  /** The connection failed, or broke before the reply was whole. */
  | "network"
  | "timeout"
  /** By the request's own signal. */
  | "aborted"
  /** Address, method or headers are not what HTTP takes. */
  | "invalid_request"
  | "reply_too_large";

/** What a delivery cost. */
export interface DeliveryFacts {
  /** Requests that were made. */
  readonly tries: number;
  /** Those of them whose reply was not seen: the server may or may not have acted on each. */
  readonly unanswered: number;
  /** Bytes of bodies handed to the network, compressed or not, all tries together. */
  readonly sentBytes: number;
  /** Bytes of replies' bodies. */
  readonly receivedBytes: number;
  readonly durationMs: number;
  /** Might a later delivery succeed? */
  readonly isRetryable: boolean;
  /** How long the last reply asked to wait. */
  readonly retryAfterMs: number | undefined;
}

/** The last reply, or why there is none. `ok` means a 2xx status, and nothing about the reply's content. */
export type DeliveryResult =
  & DeliveryFacts
  & (
    | { readonly kind: "reply"; readonly ok: boolean; readonly reply: DeliveryReply }
    | {
      readonly kind: "no_reply";
      readonly ok: false;
      readonly reason: NoReplyReason;
      readonly error: unknown;
    }
  );

/** One try, for statistics. */
export interface TryReport {
  /** From 1. */
  readonly number: number;
  readonly durationMs: number;
  readonly sentBytes: number;
  /** Undefined when there was no reply. */
  readonly status: number | undefined;
  readonly reason: NoReplyReason | undefined;
  /** Wait before the next try; undefined when there is none. */
  readonly nextInMs: number | undefined;
}

type Ended =
  | { kind: "reply"; reply: DeliveryReply; receivedBytes: number }
  | { kind: "no_reply"; reason: NoReplyReason; error: unknown; receivedBytes: number };

/** Delivers requests, one or many at a time. It never throws: what went wrong is in the result. */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #clock: ClientClock;
  /** Servers that do not take gzip are remembered, by origin. */
  readonly #plainOrigins = new Set<string>();

  constructor(options: DeliveryOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Tries until there is a reply that says something about the request, or no try is left. */
  async send(request: DeliveryRequest): Promise<DeliveryResult> {
    const bill = new Bill(this.#clock);
    const parts = prepare(request);
    if ("error" in parts) return bill.result(noReply("invalid_request", parts.error), { isRetryable: false });
    let body = await this.#pack(parts);
    for (;;) {
      if (request.signal?.aborted) {
        return bill.result(noReply("aborted", request.signal.reason), { isRetryable: true });
      }
      const start = this.#clock.monotonic();
      const ended = await this.#try(request, { ...parts, body });
      const sentBytes = body.bytes?.length ?? 0;
      bill.add(ended, sentBytes);
      const isRefusedCoding = body.isPacked && ended.kind === "reply" && ended.reply.status === 415;
      const next = isRefusedCoding
        ? { isRetryable: true, waitMs: 0 }
        : this.#next(ended, request, bill.tries);
      this.#report({
        number: bill.tries,
        durationMs: this.#clock.monotonic() - start,
        sentBytes,
        status: ended.kind === "reply" ? ended.reply.status : undefined,
        reason: ended.kind === "no_reply" ? ended.reason : undefined,
        nextInMs: next.waitMs,
      });
      if (next.waitMs === undefined) return bill.result(ended, next);
      if (isRefusedCoding) {
        this.#plainOrigins.add(parts.origin);
        body = { bytes: parts.bytes, isPacked: false };
      }
      await this.#wait(next.waitMs, request.signal);
    }
  }

  /** What comes after a try: no `waitMs`, no further try. */
  #next(ended: Ended, request: DeliveryRequest, tries: number): Next {
    const policy = retryPolicy(this.#options);
    const asked = ended.kind === "reply" ? retryAfterMs(ended.reply.headers, this.#clock.now()) : undefined;
    const isRetryable = mayRetry(ended, request);
    const isLast = !isRetryable || tries > policy.retries || request.signal?.aborted === true ||
      (asked ?? 0) > policy.maxRetryAfterMs;
    if (isLast) return { isRetryable, retryAfterMs: asked };
    const random = this.#options.random ?? Math.random;
    return { isRetryable, waitMs: Math.max(asked ?? 0, backoffMs(tries, policy, random())) };
  }

  /** The body as it is sent. */
  async #pack({ bytes, origin, headers }: Prepared): Promise<Packed> {
    const { gzip = false, gzipMinBytes = 1_024 } = this.#options;
    const isWorthIt = gzip && bytes !== undefined && bytes.length >= gzipMinBytes &&
      !headers.has("content-encoding") && !this.#plainOrigins.has(origin) &&
      typeof CompressionStream === "function";
    return isWorthIt ? { bytes: await gzipped(bytes), isPacked: true } : { bytes, isPacked: false };
  }

  /** One try. The reply is read to its end here, so that its connection is free again whatever comes next. */
  async #try(request: DeliveryRequest, parts: Prepared & { body: Packed }): Promise<Ended> {
    const abort = new AbortController();
    let givenUp: "timeout" | "aborted" | undefined;
    let leave: (() => void) | undefined;
    // A fetch that does not heed its signal must not hold us up either.
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const giveUp = (why: "timeout" | "aborted"): void => {
      givenUp ??= why;
      abort.abort();
      leave?.();
    };
    const onAbort = (): void => giveUp("aborted");
    request.signal?.addEventListener("abort", onAbort, { once: true });
    const timeoutMs = request.timeoutMs ?? this.#options.timeoutMs ?? 60_000;
    const stopTimer = this.#clock.after(timeoutMs, () => giveUp("timeout"), { holdsProcess: false });
    const received = { bytes: 0 };
    const exchange = this.#exchange(parts, { signal: abort.signal, received }).catch((error): Ended => {
      const reason = error instanceof ReplyTooLargeError ? "reply_too_large" : "network";
      return { kind: "no_reply", reason, error, receivedBytes: received.bytes };
    });
    const ended = await Promise.race([exchange, left.then(() => undefined)]);
    stopTimer();
    request.signal?.removeEventListener("abort", onAbort);
    if (ended?.kind === "reply" || givenUp === undefined) return ended as Ended;
    const error = givenUp === "aborted"
      ? request.signal?.reason
      : new Error(`Cannot deliver: no whole reply came within ${timeoutMs} ms`);
    return { kind: "no_reply", reason: givenUp, error, receivedBytes: received.bytes };
  }

  async #exchange(
    { url, method, headers, body }: Prepared & { body: Packed },
    { signal, received }: { signal: AbortSignal; received: { bytes: number } },
  ): Promise<Ended> {
    const sent = new Headers(headers);
    if (body.isPacked) sent.set("content-encoding", "gzip");
    const call = this.#options.fetch ?? fetch;
    // A redirect would turn a POST into a GET of some page, whose 200 says nothing.
    const init = { method, headers: sent, body: body.bytes, signal, redirect: "manual" } as const;
    const response = await call(url, init);
    const text = await readText(response, this.#options.maxReplyBytes ?? 16 * 1024 * 1024, received);
    const reply = { status: response.status, headers: response.headers, text };
    return { kind: "reply", reply, receivedBytes: received.bytes };
  }

  /** Waits, but not after the signal. */
  #wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (ms <= 0 || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const cancel = this.#clock.after(ms, end, { holdsProcess: this.#options.holdsProcess ?? false });
      signal?.addEventListener("abort", end, { once: true });
    });
  }

  #report(report: TryReport): void {
    try {
      this.#options.onTry?.(report);
    } catch {
      // A hook of the host's that fails is the host's affair, and changes no result.
      return;
    }
  }
}

interface Next {
  readonly isRetryable: boolean;
  readonly waitMs?: number;
  readonly retryAfterMs?: number;
}

/** Adds up what one delivery costs. */
class Bill {
  readonly #clock: ClientClock;
  readonly #start: number;
  tries = 0;
  #unanswered = 0;
  #sentBytes = 0;
  #receivedBytes = 0;

  constructor(clock: ClientClock) {
    this.#clock = clock;
    this.#start = clock.monotonic();
  }

  add(ended: Ended, sentBytes: number): void {
    this.tries++;
    this.#sentBytes += sentBytes;
    this.#receivedBytes += ended.receivedBytes;
    if (ended.kind === "no_reply") this.#unanswered++;
  }

  result(ended: Ended, { isRetryable, retryAfterMs }: Next): DeliveryResult {
    const facts = {
      tries: this.tries,
      unanswered: this.#unanswered,
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      durationMs: this.#clock.monotonic() - this.#start,
      isRetryable,
      retryAfterMs,
    };
    if (ended.kind === "no_reply") {
      return { ...facts, kind: "no_reply", ok: false, reason: ended.reason, error: ended.error };
    }
    const { reply } = ended;
    return { ...facts, kind: "reply", ok: reply.status >= 200 && reply.status < 300, reply };
  }
}

interface Prepared {
  readonly url: string;
  readonly origin: string;
  readonly method: string;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
}

interface Packed {
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
  readonly isPacked: boolean;
}

class ReplyTooLargeError extends Error {
  override readonly name = "ReplyTooLargeError";
}

/** What would fail at each try fails here, once. */
function prepare(request: DeliveryRequest): Prepared | { error: unknown } {
  try {
    const { href, origin, protocol } = new URL(request.url);
    if (!/^https?:$/.test(protocol)) throw new TypeError("Cannot deliver: address must begin with http(s)");
    const headers = new Headers(request.headers);
    if (request.idempotencyKey !== undefined) headers.set("idempotency-key", request.idempotencyKey);
    const { body } = request;
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const method = request.method ?? (bytes === undefined ? "GET" : "POST");
    new Request(href, { method, body: bytes && "" });
    return { url: href, origin, method, headers, bytes };
  } catch (error) {
    return { error };
  }
}

function noReply(reason: NoReplyReason, error: unknown): Ended {
  return { kind: "no_reply", reason, error, receivedBytes: 0 };
}

function mayRetry(ended: Ended, request: DeliveryRequest): boolean {
  if (ended.kind === "no_reply") {
    return ended.reason !== "invalid_request" && ended.reason !== "reply_too_large";
  }
  if (isRetryableStatus(ended.reply.status)) return true;
  try {
    return request.isRetryableReply?.(ended.reply) ?? false;
  } catch {
    // A reply that cannot even be judged will not be a better one next time.
    return false;
  }
}

async function gzipped(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/** @throws ReplyTooLargeError, or what broke the connection */
async function readText(
  response: Response,
  maxBytes: number,
  received: { bytes: number },
): Promise<string> {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return text + decoder.decode();
    received.bytes += value.length;
    if (received.bytes > maxBytes) {
      reader.cancel().catch(() => undefined);
      throw new ReplyTooLargeError(`Cannot read the reply: the limit is ${maxBytes} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}
