/**
 * The main thread's end of the flush worker.
 * @module
 */

import { WeirError } from "../base/errors.ts";
import type { FlushPlan } from "../index/plan.ts";
import type {
  FlushAnswer,
  FlushAnswers,
  FlushProblem,
  FlushQuestion,
  FlushTelling,
} from "./flush_messages.ts";
import type { Compression } from "./layout.ts";
import type { RetentionLimits, RetentionReport } from "./retention.ts";
import type { FlushReport } from "./write_flush.ts";

/** Partitions posted at once: copying more of them would hold up the main thread. */
const rowsPerMessage = 200;
/** Sessions posted at once, for the same reason. */
const sessionsPerMessage = 500;

/** Something failed in the worker, or the worker itself. */
export class FlushError extends WeirError {
  /** The system's word, such as `EIO`; `CRASH` when the worker died. */
  readonly reason: string;

  constructor({ code, message }: FlushProblem) {
    const full = code === "ENOSPC" || code === "EDQUOT";
    super(full ? "storage_full" : "flush_failed", `The flush failed: ${full ? "the disk is full" : code}`, {
      cause: message,
    });
    this.reason = code;
  }
}

interface Waiting {
  resolve(value: FlushAnswers[keyof FlushAnswers]): void;
  reject(error: FlushError): void;
}

/** Starts the worker, asks it, and starts another when it died. One question at a time. */
export class WorkerLink {
  readonly #options: { dataDir: string; compression: Compression };
  #worker: Worker | undefined;
  #opening: Promise<Worker> | undefined;
  #waiting: Waiting | undefined;
  #died = false;

  constructor(options: { dataDir: string; compression: Compression }) {
    this.#options = options;
  }

  /** Starts the worker before it is needed. What goes wrong shows again when it is asked. */
  warmUp(): void {
    this.#running().catch(() => undefined);
  }

  /** Writes a flush. @throws FlushError */
  async write(plan: FlushPlan, at: { now: number; flushId: string }): Promise<FlushReport> {
    const worker = await this.#running();
    const { rows } = plan;
    for (let i = 0; i < rows.length; i += rowsPerMessage) {
      post(worker, { ask: "rows", rows: rows.slice(i, i + rowsPerMessage) });
      await nextTurn();
    }
    for (let i = 0; i < plan.sessions.length; i += sessionsPerMessage) {
      const some = plan.sessions.slice(i, i + sessionsPerMessage);
      post(worker, { ask: "sessions", sessions: some.map((session) => session.snapshot()) });
      await nextTurn();
    }
    for (const page of plan.identities) {
      post(worker, { ask: "identities", page });
      await nextTurn();
    }
    const rest = { ...plan, rows: [], identities: [], sessions: [] };
    return await this.#ask(worker, { ask: "write", plan: rest, ...at });
  }

  /** Applies retention. @throws FlushError */
  async retain(limits: RetentionLimits, now: number): Promise<RetentionReport> {
    return await this.#ask(await this.#running(), { ask: "retain", limits, now });
  }

  /** Lets the worker close the catalog, and ends it. */
  async close(): Promise<void> {
    const worker = await this.#opening?.catch(() => undefined);
    if (worker === undefined) return;
    try {
      await this.#ask(worker, { ask: "close" });
    } finally {
      worker.terminate();
      this.#worker = this.#opening = undefined;
    }
  }

  /** Ends the worker wherever it stands. */
  kill(): void {
    this.#bury("it was ended");
  }

  /** The worker; a dead one is followed by another, which removes what the dead one left behind. */
  #running(): Promise<Worker> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<Worker> {
    const worker = new Worker(new URL("./flush_worker.ts", import.meta.url), {
      type: "module",
      name: "flush",
    });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FlushAnswer>): void => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (data.ok) waiting?.resolve(data.value);
      else waiting?.reject(new FlushError(data.problem));
    };
    worker.onerror = (event): void => {
      event.preventDefault();
      this.#bury(event.message);
    };
    worker.onmessageerror = (): void => this.#bury("a message could not be read");
    try {
      await this.#ask(worker, { ask: "open", ...this.#options, sweep: this.#died });
    } catch (error) {
      worker.terminate();
      this.#worker = this.#opening = undefined;
      throw error;
    }
    this.#died = false;
    return worker;
  }

  #bury(message: string): void {
    this.#worker?.terminate();
    this.#worker = this.#opening = undefined;
    this.#died = true;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(new FlushError({ code: "CRASH", message }));
  }

  #ask<Q extends Exclude<FlushQuestion, FlushTelling>>(
    worker: Worker,
    question: Q,
  ): Promise<FlushAnswers[Q["ask"]]> {
    if (worker !== this.#worker) {
      return Promise.reject(
        new FlushError({ code: "CRASH", message: "the worker died before it was asked" }),
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<FlushAnswers[Q["ask"]]>();
    this.#waiting = { resolve: resolve as Waiting["resolve"], reject };
    post(worker, question);
    return promise;
  }
}

function post(worker: Worker, question: FlushQuestion): void {
  worker.postMessage(question);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
