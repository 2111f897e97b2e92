/**
 * Sends rows to a route that answers for each of them, and says what became of each.
 * @module
 */

import type { Delivery, DeliveryResult } from "./delivery.ts";
import type { FlushVerdict } from "./event_buffer_options.ts";

/** Where rows go, and under which names. */
export interface RowTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Member of the body that holds the rows. */
  readonly rowsKey: string;
}

/** What {@link RowSender} has done so far. */
export interface SendStats {
  /** Requests that were made, all tries included. */
  readonly requests: number;
  /** Bytes of bodies handed to the network. */
  readonly sentBytes: number;
}

/** Rows that were not delivered; `isRetryable` says whether they may be later. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
  readonly isRetryable: boolean;
  readonly retryAfterMs: number | undefined;
  /** Of the reply; undefined where there was none. */
  readonly status: number | undefined;
  /** Was there none? */
  readonly isNoReply: boolean;

  constructor(
    message: string,
    of: { isRetryable: boolean; retryAfterMs?: number; status?: number },
    cause?: unknown,
  ) {
    super(message, { cause });
    this.isRetryable = of.isRetryable;
    this.retryAfterMs = of.retryAfterMs;
    this.status = of.status;
    this.isNoReply = of.status === undefined;
  }
}

/** Credentials may be mended, and a route may come with the next version of the server: such rows are tried again. */
const mendable: ReadonlySet<number> = new Set([401, 403, 404, 405]);
/** The body was too large, or held too many rows. */
const tooMuch: ReadonlySet<number> = new Set([413]);

/** Sends rows; a body that is too large goes in halves. */
export class RowSender {
  readonly #delivery: Delivery;
  readonly #target: RowTarget;
  #requests = 0;
  #sentBytes = 0;

  constructor(delivery: Delivery, target: RowTarget) {
    this.#delivery = delivery;
    this.#target = target;
  }

  get stats(): SendStats {
    return { requests: this.#requests, sentBytes: this.#sentBytes };
  }

  /**
   * Sends the rows in order.
   * @param rows Each as JSON text.
   * @param batch The same id at each try of the same rows.
   * @throws DeliveryError when none of them was delivered
   */
  async send(rows: readonly string[], batch: { id: string; signal?: AbortSignal }): Promise<FlushVerdict> {
    const { url, headers, rowsKey } = this.#target;
    const result = await this.#delivery.send({
      url,
      headers: { ...headers, "content-type": "application/json" },
      body: `{${JSON.stringify(rowsKey)}:[${rows.join(",")}]}`,
      idempotencyKey: batch.id,
      signal: batch.signal,
    });
    this.#requests += result.tries;
    this.#sentBytes += result.sentBytes;
    if (result.kind === "reply" && result.ok) return verdictOf(result, rows.length);
    if (isTooMuch(result)) return await this.#sendHalves(rows, batch);
    throw errorOf(result);
  }

  async #sendHalves(
    rows: readonly string[],
    batch: { id: string; signal?: AbortSignal },
  ): Promise<FlushVerdict> {
    if (rows.length === 1) return { rejected: [0] };
    const middle = rows.length >>> 1;
    const first = await this.send(rows.slice(0, middle), { ...batch, id: `${batch.id}.0` });
    try {
      const second = await this.send(rows.slice(middle), { ...batch, id: `${batch.id}.1` });
      const shifted = (indexes: readonly number[] = []): number[] => indexes.map((index) => index + middle);
      return {
        retry: [...first.retry ?? [], ...shifted(second.retry)],
        rejected: [...first.rejected ?? [], ...shifted(second.rejected)],
      };
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      // The first half is delivered: only the second one goes again, or is given up.
      const rest = Array.from({ length: rows.length - middle }, (_, i) => middle + i);
      return error.isRetryable
        ? { ...first, retry: [...first.retry ?? [], ...rest], retryAfterMs: error.retryAfterMs }
        : { ...first, rejected: [...first.rejected ?? [], ...rest] };
    }
  }
}

function isTooMuch(result: DeliveryResult): boolean {
  if (result.kind !== "reply") return false;
  const { status, text } = result.reply;
  return tooMuch.has(status) || (status === 400 && text.includes(`"too_many_rows"`));
}

/** Rows that failed inside the server may go again; those that do not fit would fail again. */
function verdictOf(result: DeliveryResult & { kind: "reply" }, rows: number): FlushVerdict {
  const rejected: number[] = [];
  const retry: number[] = [];
  for (const { index, reason } of rejectionsIn(result.reply.text)) {
    if (!(Number.isInteger(index) && index >= 0 && index < rows)) continue;
    (reason === "internal" ? retry : rejected).push(index);
  }
  return { rejected, retry };
}

function rejectionsIn(text: string): { index: number; reason: string }[] {
  try {
    const { rejected } = JSON.parse(text) as { rejected?: { index: number; reason: string }[] };
    return Array.isArray(rejected) ? rejected : [];
  } catch {
    // 2xx is the promise; a body that a proxy changed takes nothing of it away.
    return [];
  }
}

function errorOf(result: DeliveryResult): DeliveryError {
  const { retryAfterMs } = result;
  if (result.kind === "no_reply") {
    const isRetryable = result.isRetryable || result.reason === "aborted";
    return new DeliveryError(`Cannot deliver: ${result.reason}`, { isRetryable, retryAfterMs }, result.error);
  }
  const { status } = result.reply;
  const isRetryable = result.isRetryable || mendable.has(status);
  return new DeliveryError(`Cannot deliver: the server answered ${status}`, {
    isRetryable,
    retryAfterMs,
    status,
  });
}
