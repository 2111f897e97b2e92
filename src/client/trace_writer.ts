/**
 * Writes trace files to a server: several in one request where the server can, one by one where it cannot, and a
 * true word on each of them.
 * @module
 */

import { type ClientClock, systemClock } from "./client_clock.ts";
import { Delivery, type DeliveryOptions, type DeliveryResult } from "./delivery.ts";
import {
  batchBody,
  gather,
  type PackedFile,
  packFile,
  singleBody,
  targetOf,
  type TraceFile,
} from "./trace_item.ts";
import {
  describeFailure,
  isCutOff,
  readBatchReply,
  readRefusal,
  readSingleReply,
  type Word,
} from "./trace_reply.ts";

export type { TraceFile } from "./trace_item.ts";

/** How a {@link TraceWriter} works. */
export interface TraceWriterOptions
  extends
    Pick<DeliveryOptions, "fetch" | "clock" | "random" | "retries" | "firstDelayMs" | "jitter" | "gzip"> {
  /** Where the server is. @default "http://127.0.0.1:7400" */
  readonly url?: string;
  /** For files that name none. @default what the server says, "./traces" */
  readonly outputDirectory?: string;
  /** Further headers, such as X-App-Id and X-App-Secret. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Send several files in one request? @default true */
  readonly useBatchEndpoint?: boolean;
  /** One try of a batch, in ms. @default 60000 */
  readonly batchTimeout?: number;
  /** One try of a single write, in ms. @default 30000 */
  readonly timeout?: number;
  /** Write one by one what a batch did not bring about? @default true */
  readonly fallbackToIndividual?: boolean;
  /** Files in one batch. @default 10 */
  readonly maxBatchSize?: number;
  /** Characters of JSON in one batch. @default 6291456, at most 18 MiB */
  readonly maxBatchBytes?: number;
}

/** What became of one file. */
export interface TraceResult {
  /** Position in the call. */
  readonly index: number;
  readonly fileName: string;
  /**
   * - `written`: the server said so, of this file.
   * - `failed`: it is not written.
   * - `unknown`: it was sent, and no answer tells; it may or may not be written.
   */
  readonly state: "written" | "failed" | "unknown";
  /** Was the last word on it given to a batch? False also for what was never sent. */
  readonly isBatched: boolean;
  /** As the server calls it. */
  readonly path?: string;
  readonly bytes?: number;
  /** Why it is not written, or not known to be. */
  readonly error?: { readonly code: string; readonly message: string };
  /** May writing it again help? */
  readonly isRetryable: boolean;
}

/** Sums since the writer was made. */
export interface TraceStatistics {
  readonly files: number;
  readonly written: number;
  readonly failed: number;
  readonly unknown: number;
  /** Every try counts. */
  readonly requests: number;
  readonly batchRequests: number;
  readonly retries: number;
  /** Files written one by one after a batch did not bring them about. */
  readonly fallbacks: number;
  /** Of bodies. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Spent in {@link TraceWriter.write}; calls at the same time each count. */
  readonly durationMs: number;
}

/** Statuses of a server that has no such route. */
const absentStatuses: ReadonlySet<number> = new Set([404, 405, 501]);
/** Statuses that every single write would meet as well. */
const hopelessStatuses: ReadonlySet<number> = new Set([401, 403]);

/**
 * Writes trace files. {@link write} never throws and never rejects.
 *
 * - A file is `written` only where a reply said so of that file; each file is told once, in the order of the call.
 * - `#hasBatchRoute` turns false once and for all when the server has no such route.
 */
export class TraceWriter {
  readonly #options: TraceWriterOptions;
  readonly #url: string;
  readonly #clock: ClientClock;
  readonly #delivery: Delivery;
  #hasBatchRoute = true;
  #files = { files: 0, written: 0, failed: 0, unknown: 0, fallbacks: 0, durationMs: 0 };
  #traffic = { requests: 0, batchRequests: 0, retries: 0, sentBytes: 0, receivedBytes: 0 };

  constructor(options: TraceWriterOptions = {}) {
    this.#options = options;
    this.#url = (options.url ?? "http://127.0.0.1:7400").replace(/\/+$/, "");
    this.#clock = options.clock ?? systemClock;
    const { fetch, clock, random, retries, firstDelayMs, jitter, gzip } = options;
    // Somebody awaits what is written, so waiting for the next try keeps the program alive.
    this.#delivery = new Delivery({
      ...{ fetch, clock, random, retries, firstDelayMs, jitter, gzip },
      holdsProcess: true,
    });
  }

  /** Does it send batches? */
  get usesBatches(): boolean {
    return this.#hasBatchRoute && (this.#options.useBatchEndpoint ?? true);
  }

  /** What was done so far, and what it cost. */
  get statistics(): TraceStatistics {
    return { ...this.#files, ...this.#traffic };
  }

  /**
   * Writes one file or several.
   * @param options.signal Gives up; files that were not written by then are told as `failed` or `unknown`.
   * @returns one result for each file, in their order
   */
  async write(
    files: TraceFile | readonly TraceFile[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<TraceResult[]> {
    const start = this.#clock.monotonic();
    const all = Array.isArray(files) ? files as readonly TraceFile[] : [files as TraceFile];
    const results = new Array<TraceResult>(all.length);
    const packed = this.#pack(all, results);
    const batches = this.usesBatches ? this.#gather(packed) : [packed];
    const call: Call = { signal };
    for (const batch of batches) {
      const told = batch.length > 1 && this.usesBatches
        ? await this.#writeBatch(batch, call)
        : await this.#writeEach(batch, call);
      for (const result of told) results[result.index] = result;
    }
    this.#files.files += all.length;
    for (const { state } of results) this.#files[state]++;
    this.#files.durationMs += this.#clock.monotonic() - start;
    return results;
  }

  /** Puts files into JSON; what cannot be sent gets its result at once. */
  #pack(files: readonly TraceFile[], results: TraceResult[]): PackedFile[] {
    const packed: PackedFile[] = [];
    const targets = new Set<string>();
    for (const [index, file] of files.entries()) {
      let made = packFile(file, index, this.#options.outputDirectory);
      // The later one would take the place of the earlier one, which would be told as written.
      if ("data" in made && targets.has(targetOf(made))) {
        made = { code: "duplicate_path", message: "An earlier file of this call goes to the same place" };
      }
      if ("data" in made) {
        targets.add(targetOf(made));
        packed.push(made);
      } else {
        const fileName = typeof file?.fileName === "string" ? file.fileName : "";
        results[index] = {
          index,
          fileName,
          state: "failed",
          isBatched: false,
          error: made,
          isRetryable: false,
        };
      }
    }
    return packed;
  }

  #gather(packed: readonly PackedFile[]): PackedFile[][] {
    const { maxBatchSize = 10, maxBatchBytes = 6 * 1024 * 1024 } = this.#options;
    return gather(packed, { maxFiles: Math.max(1, maxBatchSize), maxBytes: maxBatchBytes });
  }

  /** Writes several files in one request, and one by one what that did not bring about. */
  async #writeBatch(batch: readonly PackedFile[], call: Call): Promise<TraceResult[]> {
    if (call.silence !== undefined) return batch.map((file) => untried(file, call.silence!));
    const { batchTimeout = 60_000, fallbackToIndividual = true } = this.#options;
    const sending = { timeoutMs: batchTimeout, signal: call.signal };
    const result = await this.#send("/api/traces/write-batch", batchBody(batch), sending);
    this.#traffic.batchRequests += result.tries;
    const status = result.kind === "reply" ? result.reply.status : 0;
    if (absentStatuses.has(status)) this.#hasBatchRoute = false;
    const words = result.kind === "reply" && result.ok
      ? readBatchReply(result.reply, batch.length)
      : undefined;
    const refusal = result.kind === "reply" ? readRefusal(result.reply) : undefined;
    const told = batch.map((file, i) => resultOf(file, words?.[i] ?? refusal, { result, isBatched: true }));
    if (hopelessStatuses.has(status) || call.signal?.aborted) return told;
    if (!fallbackToIndividual) {
      if (isSilence(result)) call.silence = result;
      return told;
    }
    const left = batch.filter((_, i) => mayBeWritten(told[i], words?.[i]));
    this.#files.fallbacks += left.length;
    const again = new Map((await this.#writeEach(left, call)).map((later) => [later.index, later]));
    return told.map((first) => laterWord(first, again.get(first.index)));
  }

  /** Writes files one by one, in order. Where nobody answers, those behind are not tried: each try takes its time. */
  async #writeEach(files: readonly PackedFile[], call: Call): Promise<TraceResult[]> {
    const { timeout = 30_000 } = this.#options;
    const told: TraceResult[] = [];
    for (const file of files) {
      if (call.silence !== undefined) {
        told.push(untried(file, call.silence));
        continue;
      }
      const sending = { timeoutMs: timeout, signal: call.signal };
      const result = await this.#send("/api/traces/write", singleBody(file), sending);
      const word = result.kind === "reply" ? readSingleReply(result.reply) : undefined;
      told.push(resultOf(file, word, { result, isBatched: false }));
      if (isSilence(result)) call.silence = result;
    }
    return told;
  }

  async #send(
    path: string,
    body: string,
    options: { timeoutMs: number; signal: AbortSignal | undefined },
  ): Promise<DeliveryResult> {
    const result = await this.#delivery.send({
      url: this.#url + path,
      headers: { "content-type": "application/json", accept: "application/json", ...this.#options.headers },
      body,
      isRetryableReply: isCutOff,
      ...options,
    });
    this.#traffic.requests += result.tries;
    this.#traffic.retries += Math.max(0, result.tries - 1);
    this.#traffic.sentBytes += result.sentBytes;
    this.#traffic.receivedBytes += result.receivedBytes;
    return result;
  }
}

/** One call of {@link TraceWriter.write}. */
interface Call {
  readonly signal: AbortSignal | undefined;
  /** Set once nobody answers any more. */
  silence?: DeliveryResult;
}

function isSilence(result: DeliveryResult): boolean {
  return result.kind === "no_reply" && result.reason !== "reply_too_large" &&
    result.reason !== "invalid_request";
}

/** After a batch, can a single write bring this file about? */
function mayBeWritten({ state }: TraceResult, word: Word | undefined): boolean {
  return state !== "written" && (word === undefined || word.isWritten || word.isRetryable !== false);
}

function resultOf(
  { index, fileName }: PackedFile,
  word: Word | undefined,
  { result, isBatched }: { result: DeliveryResult; isBatched: boolean },
): TraceResult {
  const isOkay = result.kind === "reply" && result.ok;
  if (word?.isWritten && isOkay) {
    const { path, bytes } = word;
    return { index, fileName, state: "written", isBatched, path, bytes, isRetryable: false };
  }
  if (word?.isWritten === false) {
    const { code, message, isRetryable = true } = word;
    // An earlier try without an answer may have written what this one could not.
    const state = result.unanswered > 0 ? "unknown" : "failed";
    return { index, fileName, state, isBatched, error: { code, message }, isRetryable };
  }
  const { status } = result.kind === "reply" ? result.reply : { status: 0 };
  const wasRefused = status >= 300 && status < 500;
  const wasNeverSent = result.tries === 0;
  const state = wasNeverSent || (wasRefused && result.unanswered === 0) ? "failed" : "unknown";
  const error = describeFailure(result);
  return { index, fileName, state, isBatched, error, isRetryable: result.isRetryable };
}

function untried({ index, fileName }: PackedFile, silence: DeliveryResult): TraceResult {
  const error = describeFailure(silence);
  return { index, fileName, state: "failed", isBatched: false, error, isRetryable: silence.isRetryable };
}

/** The word of a single write after that of a batch: a batch nobody answered for may have written the file. */
function laterWord(first: TraceResult, later: TraceResult | undefined): TraceResult {
  if (later === undefined) return first;
  if (later.state === "failed" && first.state === "unknown") return { ...later, state: "unknown" };
  return later;
}
