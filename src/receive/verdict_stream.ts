/**
 * The reply to an NDJSON stream: one line a window, in order, each sent once its rows are safe. A client that
 * does not read while it sends gets fewer, larger lines instead of a deadlock.
 * @module
 */

import { toWeirError } from "../base/errors.ts";
import type { Outcomes, Rejection } from "../base/outcome.ts";

/** Bytes of windows that may wait for the disk at once; enough to keep group commit busy on a slow one. */
const maxPendingBytes = 4 * 1024 * 1024;
/** Each piece of a reply costs the runtime memory and time, so lines that come together go together. */
const sendEveryMs = 5;
/** The reply begins after this time at the latest: who is cut off knows how far it got, but for this last while. */
const beginWithinMs = 1_000;
/** A client that sends nothing for so long may be waiting for a verdict. */
const silenceMs = 10;
/** Characters of lines that wait for the client; past it further windows share one line. */
const maxTextLength = 256 * 1024;
/** Refused rows that a line names one by one; more are counted in `rejected_more`. */
const maxNamed = 1_000;

interface Line {
  through: number;
  accepted: number;
  duplicates: number;
  rejected: Rejection[];
  rejectedMore: number;
}

/**
 * Lines `{"through","accepted","rejected"}`, then `{"done":true,...}` with the totals, or `{"error":{...}}`
 * when the stream ended early: rows up to the last `through` are stored, later ones are not.
 */
export class VerdictStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly totals = { accepted: 0, duplicates: 0, rejected: 0 };
  readonly #encoder = new TextEncoder();
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #gone = false;
  /** Lines that are closed, and the one that is not; a client that does not read makes it grow instead of them. */
  #text = "";
  #waiting: Line | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sentAt = -Infinity;
  #through = -1;
  #tail: Promise<void> = Promise.resolve();
  #pendingBytes = 0;
  #room: (() => void) | undefined;
  #failure: unknown;
  readonly #ended = Promise.withResolvers<void>();

  constructor() {
    this.body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        if (this.#waiting !== undefined) this.#sendSoon();
      },
      cancel: () => {
        this.#gone = true;
        clearTimeout(this.#timer);
      },
    }, { highWaterMark: 4 });
  }

  /** Bytes of windows that wait for the disk. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Index of the last row whose verdict is out; -1 before the first. */
  get through(): number {
    return this.#through;
  }

  /**
   * Adds the verdict of one window, to be told once `stored` resolves.
   * @param last Index of the window's last row.
   * @param on.bytes What the window holds in memory until `on.stored` resolves.
   * @returns a promise while too many bytes wait for the disk
   * @throws whatever made an earlier window fail
   */
  add(
    last: number,
    outcomes: Outcomes,
    on: { stored: Promise<void>; bytes: number },
  ): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    this.#pendingBytes += on.bytes;
    const before = this.#tail;
    this.#tail = on.stored.then(() => before).then(() => this.#tell(last, outcomes)).catch((error) => {
      this.#failure ??= error;
      throw error;
    }).finally(() => {
      this.#pendingBytes -= on.bytes;
      this.#room?.();
    });
    this.#tail.catch(() => undefined);
    if (this.#pendingBytes < maxPendingBytes) return undefined;
    return new Promise((resolve) => {
      this.#room = resolve;
    });
  }

  /**
   * Resolves when the reply should begin: once the client pauses and is owed a verdict, after a second, or at the end.
   * Not at once, because from its first byte on the runtime reads the body faster than it is asked for (ADR 6).
   * @param received Bytes of the body that came so far.
   */
  async due(received: () => number): Promise<void> {
    const paused = Promise.withResolvers<void>();
    const latest = performance.now() + beginWithinMs;
    let before = -1;
    const timer = setInterval(() => {
      const now = received();
      const isOwed = this.#through >= 0 && this.#pendingBytes === 0;
      if ((isOwed && now === before) || performance.now() >= latest) paused.resolve();
      before = now;
    }, silenceMs);
    await Promise.race([this.#ended.promise, paused.promise]);
    clearInterval(timer);
  }

  /**
   * Waits until all windows are safe.
   * @returns the last line of a stream that went well, with its line break
   * @throws whatever made a window fail
   */
  async summary(): Promise<string> {
    await this.#tail;
    const { accepted, duplicates, rejected } = this.totals;
    return JSON.stringify({ done: true, through: this.#through, accepted, rejected, duplicates }) + "\n";
  }

  /**
   * Ends the reply with its last line, once all windows are told.
   * @param end.error What went wrong, if anything did.
   * @returns the last line
   */
  async finish(end: { error?: unknown } = {}): Promise<string> {
    const failure = await this.#tail.then(() => end.error, (error) => error);
    this.#ended.resolve();
    this.#send(true);
    const last = failure === undefined
      ? await this.summary()
      : JSON.stringify({ through: this.#through, error: describe(failure) }) + "\n";
    if (!this.#gone) {
      this.#controller.enqueue(this.#encoder.encode(last));
      this.#controller.close();
    }
    return last;
  }

  #tell(last: number, { accepted, duplicates, rejected }: Outcomes): void {
    if (this.#waiting !== undefined && this.#text.length < maxTextLength) this.#closeLine();
    const line = this.#waiting ??= {
      through: last,
      accepted: 0,
      duplicates: 0,
      rejected: [],
      rejectedMore: 0,
    };
    this.#through = line.through = last;
    line.accepted += accepted;
    line.duplicates += duplicates;
    const named = Math.min(rejected.length, maxNamed - line.rejected.length);
    line.rejected.push(...rejected.slice(0, named));
    line.rejectedMore += rejected.length - named;
    this.totals.accepted += accepted;
    this.totals.duplicates += duplicates;
    this.totals.rejected += rejected.length;
    this.#sendSoon();
  }

  /** Makes text of the line that waits. */
  #closeLine(): void {
    if (this.#waiting === undefined) return;
    const { rejectedMore, duplicates, ...line } = this.#waiting;
    this.#waiting = undefined;
    this.#text += JSON.stringify({
      ...line,
      duplicates: duplicates || undefined,
      rejected_more: rejectedMore || undefined,
    }) + "\n";
  }

  /** Sends at once after a silence, else together with what comes within a moment. */
  #sendSoon(): void {
    if (this.#timer !== undefined) return;
    const sinceMs = performance.now() - this.#sentAt;
    if (sinceMs >= sendEveryMs) this.#send();
    else this.#timer = setTimeout(() => this.#send(), sendEveryMs - sinceMs);
  }

  /** Sends what waits, when the client has room for it. */
  #send(always = false): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#gone || (!always && (this.#controller.desiredSize ?? 0) <= 0)) return;
    this.#closeLine();
    if (this.#text === "") return;
    this.#controller.enqueue(this.#encoder.encode(this.#text));
    this.#text = "";
    this.#sentAt = performance.now();
  }
}

function describe(error: unknown): unknown {
  const { status, code, message, retryable } = toWeirError(error);
  return { status, code, message, retryable };
}
