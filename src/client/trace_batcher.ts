/**
 * Traces of requests: cut into batches with numbers of their own, sent in order while the request runs.
 * @module
 */

import { type ClientClock, systemClock } from "./client_clock.ts";
import type { StopReport } from "./event_buffer_options.ts";
import type { QueueOptions } from "./queue_options.ts";
import { type QueueStats, RowQueue } from "./row_queue.ts";

/** One entry of `/v1/sessions/:sid/backend`. */
export type TraceEntry = Readonly<Record<string, unknown>>;

/** How {@link TraceBatcher} works. */
export interface TraceBatcherOptions extends QueueOptions<TraceEntry> {
  /** Session that the requests belong to. */
  readonly sessionId: string;
  /** Sent as X-App-Id. */
  readonly appId?: string;
  /** Sent as X-App-Secret. */
  readonly appSecret?: string;
  /** Events of a batch. @default 150 */
  readonly maxBatchEvents?: number;
  /** Bytes of a batch's events. @default 262144 */
  readonly maxBatchBytes?: number;
  /** Entries wait at most so long. @default 100 */
  readonly flushIntervalMs?: number;
}

/** What is known of a request; all of it may come later, or never. */
export interface RequestFields {
  readonly method?: string;
  readonly url?: string;
  readonly status?: number;
  readonly durMs?: number;
  /** Method and path without the query. */
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly respBody?: unknown;
}

/** A request that begins. */
export interface RequestStart extends RequestFields {
  /** @default a random one */
  readonly rid?: string;
  readonly actionId?: string;
}

const maxEntriesPerBody = 50;
const maxBodyBytes = 4 * 1024 * 1024;

/** Sends the traces of one session's requests. */
export class TraceBatcher {
  readonly #queue: RowQueue<TraceEntry>;
  readonly #limits: { readonly events: number; readonly bytes: number };
  readonly #clock: ClientClock;

  constructor(options: TraceBatcherOptions) {
    const { sessionId, appId, appSecret, flushIntervalMs = 100 } = options;
    this.#limits = { events: options.maxBatchEvents ?? 150, bytes: options.maxBatchBytes ?? 256 * 1024 };
    this.#clock = options.clock ?? systemClock;
    this.#queue = new RowQueue<TraceEntry>({
      maxEvents: 10_000,
      maxBytes: 32 * 1024 * 1024,
      ...options,
      ...{ maxSize: maxEntriesPerBody, flushIntervalMs, maxBatchBytes: maxBodyBytes },
      route: { path: `/v1/sessions/${encodeURIComponent(sessionId)}/backend`, rowsKey: "entries" },
      headers: {
        ...(appId === undefined ? {} : { "x-app-id": appId }),
        ...(appSecret === undefined ? {} : { "x-app-secret": appSecret }),
        ...options.headers,
      },
    });
  }

  /** Figures so far. */
  get stats(): QueueStats {
    return this.#queue.stats;
  }

  /** Begins a request. */
  begin(start: RequestStart = {}): RequestTrace {
    const { rid = crypto.randomUUID(), actionId, ...fields } = start;
    return new RequestTrace({ rid, actionId, fields }, {
      limits: this.#limits,
      clock: this.#clock,
      send: (entry) => void this.#queue.add(entry),
    });
  }

  /** Sends what is queued; resolves when that is done, or when a try failed. It never rejects. */
  flush(): Promise<void> {
    return this.#queue.flush();
  }

  /** Takes nothing further and sends the rest until the deadline. */
  stop(options: { deadlineMs?: number } = {}): Promise<StopReport<TraceEntry>> {
    return this.#queue.stop(options);
  }
}

/** What a trace needs of its batcher. */
interface TraceHouse {
  readonly limits: { readonly events: number; readonly bytes: number };
  readonly clock: ClientClock;
  send(entry: TraceEntry): void;
}

/** The trace of one request. Its batches are numbered from 0; the last one says how many there are. */
export class RequestTrace {
  readonly rid: string;
  readonly #actionId: string | undefined;
  readonly #house: TraceHouse;
  readonly #startedAt: number;
  #fields: RequestFields | undefined;
  #events: string[] = [];
  #bytes = 0;
  #index = 0;
  #isOver = false;

  constructor(of: { rid: string; actionId: string | undefined; fields: RequestFields }, house: TraceHouse) {
    this.rid = of.rid;
    this.#actionId = of.actionId;
    this.#fields = of.fields;
    this.#house = house;
    this.#startedAt = house.clock.monotonic();
  }

  /** Adds an event; what is no JSON is left out, what comes after the end, too. */
  event(event: unknown): void {
    if (this.#isOver) return;
    const text = jsonOf(event);
    if (text === undefined) return;
    const bytes = utf8Length(text);
    const { limits } = this.#house;
    if (this.#events.length > 0 && this.#bytes + 1 + bytes > limits.bytes) this.#sendBatch();
    this.#bytes += bytes + (this.#events.length > 0 ? 1 : 0);
    this.#events.push(text);
    if (this.#events.length >= limits.events) this.#sendBatch();
  }

  /** Ends the request: the last batch goes out, with what is known of the request by then. */
  end(fields: RequestFields = {}): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const durMs = fields.durMs ?? Math.round(this.#house.clock.monotonic() - this.#startedAt);
    this.#fields = { ...this.#fields, ...fields, durMs };
    this.#sendBatch(this.#index + 1);
  }

  #sendBatch(total?: number): void {
    const { rid } = this;
    const fields = this.#fields;
    this.#fields = undefined;
    const index = this.#index++;
    const entry: TraceEntry = {
      ...(this.#actionId === undefined ? {} : { actionId: this.#actionId }),
      ...(fields === undefined ? {} : { request: { rid, ...fields } }),
      requestRid: rid,
      trace: `[${this.#events.join(",")}]`,
      traceBatchIndex: index,
      traceBatch: { rid, index, ...(total === undefined ? {} : { total }) },
      t: this.#house.clock.now(),
    };
    this.#events = [];
    this.#bytes = 0;
    this.#house.send(entry);
  }
}

const encoder = new TextEncoder();

function utf8Length(text: string): number {
  return encoder.encode(text).length;
}

/** Errors become objects; everything else is what JSON makes of it. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, (_, member) => {
      if (typeof member === "bigint") return String(member);
      if (!(member instanceof Error)) return member;
      return { name: member.name, message: member.message, stack: member.stack };
    });
  } catch {
    return undefined;
  }
}
