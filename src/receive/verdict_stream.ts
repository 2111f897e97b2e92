/**
 * The reply to an NDJSON stream: one line a window, in order, each sent once its rows are safe and its client can be
 * told for nothing. A client that does not read while it sends gets fewer, larger lines instead of a deadlock.
 * @module
 */

import { setImmediate } from "node:timers";
import type { Clock } from "../base/clock.ts";
import { toWeirError } from "../base/errors.ts";
import type { Outcomes } from "../base/outcome.ts";
import type { Inflow } from "./inflow.ts";
import { VerdictLines } from "./verdict_lines.ts";

/** Bytes of windows that may wait for the disk at once; enough to keep group commit busy on a slow one. */
const maxPendingBytes = 4 * 1024 * 1024;
/** Each piece of a reply costs the runtime memory and time, so lines that come together go together. */
const lookEveryMs = 5;
/** A client that sends nothing for so long may be waiting for its first verdict. */
const firstSilenceMs = 10;
/** The same where the body's length is known: most such clients send all they have, and a busy machine makes gaps. */
const announcedSilenceMs = 250;
/** The same for later ones, once the reply has begun. */
const silenceMs = 2;
/** After so long we look whether a client that is never silent is slower than the daemon all the same. */
const heldMs = 1_000;
/** It is, when the daemon spent so much of that time waiting for it. */
const slowShare = 0.25;
/** Lines are held back no longer than this, whatever it costs. */
const maxHeldMs = 60_000;
/** Pieces of the reply that may wait in the runtime's stream. */
const maxPieces = 4;

/** How {@link VerdictStream} knows what its client does, and the time. */
export interface VerdictStreamOptions {
  readonly inflow: Pick<Inflow, "isAnnounced" | "pendingRead" | "silentMs" | "waitedMs">;
  readonly clock: Clock;
}

/**
 * Lines `{"through","accepted","rejected"}`, then `{"done":true,...}` with the totals, or `{"error":{...}}`
 * when the stream ended early: rows up to the last `through` are stored, later ones are not.
 *
 * A piece of the reply that is sent while the client's bytes lie in the socket makes the runtime read them into
 * memory of its own, faster than they are asked for (ADR 6). So lines go when the socket is empty: when the client
 * is silent, or slower than the daemon; else when they wait for too long, and at the end.
 */
export class VerdictStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly totals = { accepted: 0, duplicates: 0, rejected: 0 };
  /** Resolves when the reply should begin: with its first lines, or at its end. */
  readonly due: Promise<void>;
  readonly #inflow: VerdictStreamOptions["inflow"];
  readonly #clock: Clock;
  readonly #encoder = new TextEncoder();
  readonly #lines = new VerdictLines();
  readonly #begin: () => void;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #hasBegun = false;
  /** Nothing can be sent any more. */
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sentAt = -Infinity;
  /** Since when the oldest line waits. */
  #heldSince = 0;
  /** From when on the client's pace is measured, and how long it had been waited for by then. */
  #measured = { since: 0, waitedMs: 0 };
  #isClientSlow = false;
  #through = -1;
  #tail: Promise<void> = Promise.resolve();
  #pendingBytes = 0;
  #room: (() => void) | undefined;
  #failure: unknown;

  constructor({ inflow, clock }: VerdictStreamOptions) {
    this.#inflow = inflow;
    this.#clock = clock;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.due = promise;
    this.#begin = resolve;
    this.body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#lookSoon(),
      cancel: () => this.#close(),
    }, { highWaterMark: maxPieces });
  }

  /** Bytes of windows that wait for the disk. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Bytes of windows that wait for the disk, and of lines that wait for the client. */
  get heldBytes(): number {
    return this.#pendingBytes + this.#lines.length;
  }

  /** Index of the last row whose verdict is known; -1 before the first. */
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
    const last = failure === undefined
      ? await this.summary()
      : JSON.stringify({ through: this.#through, error: describe(failure) }) + "\n";
    if (!this.#isClosed) {
      if (!this.#lines.isEmpty) this.#controller.enqueue(this.#encoder.encode(this.#lines.take()));
      this.#controller.enqueue(this.#encoder.encode(last));
      this.#controller.close();
      this.#close();
    }
    this.#begin();
    return last;
  }

  #tell(last: number, outcomes: Outcomes): void {
    if (this.#lines.isEmpty) this.#hold();
    this.#lines.add(last, outcomes);
    this.#through = last;
    this.totals.accepted += outcomes.accepted;
    this.totals.duplicates += outcomes.duplicates;
    this.totals.rejected += outcomes.rejected.length;
    this.#lookSoon();
  }

  /** A first line waits. */
  #hold(): void {
    const since = this.#heldSince = this.#clock.monotonic();
    this.#measured = { since, waitedMs: this.#inflow.waitedMs };
    this.#isClientSlow = false;
  }

  /** Looks at once after a while without lines, else a moment after the last ones. */
  #lookSoon(): void {
    if (this.#timer !== undefined || this.#isClosed || this.#lines.isEmpty) return;
    const sinceMs = this.#clock.monotonic() - this.#sentAt;
    this.#timer = setTimeout(() => this.#look(), Math.max(0, lookEveryMs - sinceMs));
  }

  /** Sends what waits if its time has come, else looks again; not while the client has no room: it asks then. */
  async #look(): Promise<void> {
    if ((this.#controller.desiredSize ?? 0) > 0) {
      if (this.#isOverdue() || await this.#isSocketEmpty()) this.#send();
      if (!this.#isClosed && !this.#lines.isEmpty) {
        this.#timer = setTimeout(() => this.#look(), this.#nextLookMs());
        return;
      }
    }
    this.#timer = undefined;
  }

  #isOverdue(): boolean {
    return this.#clock.monotonic() - this.#heldSince >= maxHeldMs;
  }

  /** Is a read waiting, and will it go on to, as far as can be said? */
  async #isSocketEmpty(): Promise<boolean> {
    const read = this.#inflow.pendingRead;
    this.#measure();
    if (read === 0 || (this.#silenceLeftMs() > 0 && !this.#isClientSlow)) return false;
    // What has come is seen only when the event loop turns, and a busy one takes its time.
    await turn();
    await turn();
    return this.#inflow.pendingRead === read;
  }

  /** For how long a client that waits for a verdict must still be silent. */
  #silenceLeftMs(): number {
    const { isAnnounced, silentMs } = this.#inflow;
    if (this.#hasBegun) return silenceMs - silentMs;
    // What is on its way to the disk can still be told with the first lines.
    if (this.#pendingBytes > 0) return firstSilenceMs;
    return (isAnnounced ? announcedSilenceMs : firstSilenceMs) - silentMs;
  }

  #nextLookMs(): number {
    return this.#inflow.pendingRead === 0
      ? lookEveryMs
      : Math.max(1, Math.min(lookEveryMs, this.#silenceLeftMs()));
  }

  /** Finds out, again each second, whether the client is slower than the daemon. */
  #measure(): void {
    const now = this.#clock.monotonic();
    const { since, waitedMs } = this.#measured;
    if (now - since < heldMs) return;
    this.#isClientSlow = this.#inflow.waitedMs - waitedMs >= slowShare * (now - since);
    this.#measured = { since: now, waitedMs: this.#inflow.waitedMs };
  }

  #send(): void {
    if (this.#isClosed) return;
    this.#controller.enqueue(this.#encoder.encode(this.#lines.take()));
    this.#sentAt = this.#clock.monotonic();
    this.#hasBegun = true;
    this.#begin();
  }

  #close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function describe(error: unknown): unknown {
  const { status, code, message, retryable } = toWeirError(error);
  return { status, code, message, retryable };
}
