/**
 * Test-run events: numbered, queued, sent in batches, in order.
 * @module
 */

import { type ClientClock, systemClock } from "./client_clock.ts";
import type { StopReport } from "./event_buffer_options.ts";
import type { QueueOptions } from "./queue_options.ts";
import { type QueueStats, RowQueue } from "./row_queue.ts";

/** One row of `/v1/test-events/batch`. */
export interface TestEventRow {
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  readonly runId: string;
  readonly executionId: string;
  /** ISO 8601. */
  readonly time: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** How {@link TestEventClient} works. */
export interface TestEventClientOptions extends QueueOptions<TestEventRow> {
  /** The run that the events belong to; processes that share it are its shards. */
  readonly runId: string;
  /** This process within the run. @default a random one */
  readonly executionId?: string;
  /** Sent as X-App-Id. */
  readonly appId?: string;
  /** Sent as X-App-Secret. */
  readonly appSecret?: string;
  /** Events in a request. @default 50 */
  readonly batchSize?: number;
  /** Events wait at most so long. @default 100 */
  readonly flushIntervalMs?: number;
}

/** Sends the events of one process of one run. */
export class TestEventClient {
  readonly runId: string;
  readonly executionId: string;
  readonly #queue: RowQueue<TestEventRow>;
  readonly #clock: ClientClock;
  #seq = 0;

  constructor(options: TestEventClientOptions) {
    const { runId, executionId, appId, appSecret, batchSize = 50, flushIntervalMs = 100 } = options;
    this.runId = runId;
    this.executionId = executionId ?? crypto.randomUUID();
    this.#clock = options.clock ?? systemClock;
    this.#queue = new RowQueue<TestEventRow>({
      maxEvents: 100_000,
      maxBytes: 64 * 1024 * 1024,
      retries: Infinity,
      ...options,
      ...{ maxSize: batchSize, flushIntervalMs, maxBatchBytes: 4 * 1024 * 1024 },
      route: { path: "/v1/test-events/batch", rowsKey: "events" },
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

  /** Queues an event, such as `test.begin` with `{ test_case: .. }`. */
  report(type: string, data: Readonly<Record<string, unknown>>): boolean | Promise<boolean> {
    const { runId, executionId } = this;
    const seq = ++this.#seq;
    const time = new Date(this.#clock.now()).toISOString();
    return this.#queue.add({ id: `${executionId}-${seq}`, seq, type, runId, executionId, time, data });
  }

  /** Sends what is queued; resolves when that is done, or when a try failed. It never rejects. */
  flush(): Promise<void> {
    return this.#queue.flush();
  }

  /** Takes no further event and sends the rest until the deadline. */
  stop(options: { deadlineMs?: number } = {}): Promise<StopReport<TestEventRow>> {
    return this.#queue.stop(options);
  }
}
