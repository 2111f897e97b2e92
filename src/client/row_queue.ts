/**
 * Rows on their way to one route: gathered, kept in a spool where there is one, sent in order.
 * @module
 */

import { systemClock } from "./client_clock.ts";
import { EventBuffer } from "./event_buffer.ts";
import type { DropReason, EventBufferStats, StopReport } from "./event_buffer_options.ts";
import { oneTry, type QueueOptions, routeUrl } from "./queue_options.ts";
import { RowSender, type SendStats } from "./row_sender.ts";
import { Spool, type SpoolStorage } from "./spool.ts";

/** How {@link RowQueue} works. */
export interface RowQueueOptions<T extends object> extends QueueOptions<T> {
  /** Path of the route, and the member of its body that holds the rows. */
  readonly route: { readonly path: string; readonly rowsKey: string };
  readonly maxSize: number;
  readonly flushIntervalMs: number;
  readonly maxBatchBytes: number;
  readonly spool?: SpoolStorage;
  /** The row as JSON. @default JSON.stringify */
  readonly encode?: (row: T) => string;
}

/** Figures of a queue. */
export type QueueStats = EventBufferStats & SendStats;

/** A queue of rows for one route. */
export class RowQueue<T extends object> {
  readonly #buffer: EventBuffer<T>;
  readonly #sender: RowSender;
  readonly #spool: Spool<T> | undefined;
  readonly #loaded: Promise<void>;
  /** How many further rows may be left to the spool alone. */
  #roomInSpool: number;

  constructor(options: RowQueueOptions<T>) {
    const { route, headers = {}, spool, encode = JSON.stringify, clock = systemClock } = options;
    this.#sender = new RowSender(oneTry(options as QueueOptions<never>), {
      url: routeUrl(options, route.path),
      headers,
      rowsKey: route.rowsKey,
    });
    this.#roomInSpool = options.maxEvents ?? 10_000;
    this.#spool = spool && new Spool<T>({ storage: spool, clock, onError: options.onError });
    this.#buffer = new EventBuffer<T>({
      ...options,
      sizeOf: (row) => encode(row).length,
      onFlush: (rows, { id, signal }) => this.#sender.send(rows.map((row) => encode(row)), { id, signal }),
      onDrop: (row, reason) => this.#dropped(row, reason, options.onDrop),
    });
    if (this.#spool) {
      this.#buffer.on("flushed", (rows) => {
        for (const row of rows) this.#spool?.settle(row);
      });
    }
    this.#loaded = this.#load();
  }

  /** Figures so far. */
  get stats(): QueueStats {
    return { ...this.#buffer.stats, ...this.#sender.stats };
  }

  /** Queues a row; see `EventBuffer.add`. */
  add(row: T): boolean | Promise<boolean> {
    this.#spool?.add(row);
    return this.#buffer.add(row);
  }

  /** Sends what is queued; resolves when that is done, or when a try failed. What is spooled is written then. */
  async flush(): Promise<void> {
    await this.#loaded;
    await this.#buffer.flush();
    await this.#spool?.write();
  }

  /** Takes no further row and sends the rest until the deadline; with a spool, what is left is kept there. */
  async stop(options: { deadlineMs?: number } = {}): Promise<StopReport<T>> {
    await this.#loaded;
    const report = await this.#buffer.stop(options);
    await this.#spool?.write();
    return report;
  }

  async #load(): Promise<void> {
    for (const row of await this.#spool?.load() ?? []) void this.#buffer.add(row);
  }

  #dropped(row: T, reason: DropReason, onDrop: QueueOptions<T>["onDrop"]): void {
    const isKept = reason === "exhausted" && this.#leaveToSpool(row);
    // What came after the stop was never queued; everything else is done with.
    if (!isKept) this.#spool?.settle(row);
    onDrop?.(row, isKept ? "spooled" : reason);
  }

  /** The spool must not grow without end where a server refuses everything: no more stays there than may be queued. */
  #leaveToSpool(row: T): boolean {
    if (this.#roomInSpool === 0 || !this.#spool?.keep(row)) return false;
    this.#roomInSpool--;
    return true;
  }
}
