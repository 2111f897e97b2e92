/**
 * Analytics events: queued with an id and their own time, sent in batches, kept over a restart where a spool is given.
 * @module
 */

import { type ClientClock, systemClock } from "./client_clock.ts";
import type { StopReport } from "./event_buffer_options.ts";
import type { QueueOptions } from "./queue_options.ts";
import { type QueueStats, RowQueue } from "./row_queue.ts";
import type { SpoolStorage } from "./spool.ts";

/** One row of `/track/batch`. */
export interface EventRow {
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** A second row with it is not stored. */
  readonly insertId: string;
}

/** How {@link EventClient} works. */
export interface EventClientOptions extends QueueOptions<EventRow> {
  /** Sent as openpanel-client-id. */
  readonly clientId?: string;
  /** Sent as openpanel-client-secret. */
  readonly clientSecret?: string;
  /** Sent with each event as `__deviceId`: a device that names itself has sessions, whatever its user agent. */
  readonly deviceId?: string;
  /** Members of each event's properties; those of the event win. */
  readonly properties?: Readonly<Record<string, unknown>>;
  /** Rows in a request. @default 2000 */
  readonly batchSize?: number;
  /** Rows wait at most so long. @default 1000 */
  readonly flushIntervalMs?: number;
  /** Bytes in a request. @default 8388608 */
  readonly maxBatchBytes?: number;
  /** Keeps what is queued over a restart. */
  readonly spool?: SpoolStorage;
}

/** What may go with one event. */
export interface TrackOptions {
  readonly profileId?: string | number;
  readonly groups?: readonly string[];
  /** When it happened. @default now */
  readonly time?: Date | number;
  /** @default a random one */
  readonly insertId?: string;
}

/** Who somebody is. */
export interface Identity {
  readonly profileId: string | number;
  readonly firstName?: string;
  readonly lastName?: string;
  readonly email?: string;
  readonly avatar?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** A group, such as a company. */
export interface Group {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

const defaultMaxEvents = 50_000;
const defaultMaxBytes = 32 * 1024 * 1024;

/** Sends analytics events. Nothing it does throws into the host or keeps a program alive. */
export class EventClient {
  readonly #queue: RowQueue<EventRow>;
  readonly #options: EventClientOptions;
  readonly #clock: ClientClock;
  #profileId: string | number | undefined;

  constructor(options: EventClientOptions = {}) {
    const { batchSize = 2_000, flushIntervalMs = 1_000, maxBatchBytes = 8 * 1024 * 1024 } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#queue = new RowQueue<EventRow>({
      maxEvents: defaultMaxEvents,
      maxBytes: defaultMaxBytes,
      // A device may be away for long: nothing is given up for having failed often, only for being refused for long.
      retries: Infinity,
      maxDelayMs: 60_000,
      ...options,
      ...{ maxSize: batchSize, flushIntervalMs, maxBatchBytes },
      route: { path: "/track/batch", rowsKey: "events" },
      headers: { ...credentialsOf(options), ...options.headers },
    });
  }

  /** Figures so far. */
  get stats(): QueueStats {
    return this.#queue.stats;
  }

  /** Queues an event. */
  track(
    name: string,
    properties: Readonly<Record<string, unknown>> = {},
    options: TrackOptions = {},
  ): boolean | Promise<boolean> {
    const { deviceId, properties: common } = this.#options;
    const time = new Date(options.time ?? this.#clock.now());
    const own = {
      ...(deviceId === undefined ? {} : { __deviceId: deviceId }),
      ...common,
      ...properties,
      // A time that is none is the server's to judge; it must not throw here.
      __timestamp: Number.isNaN(time.getTime()) ? String(options.time) : time.toISOString(),
    };
    const payload = {
      ...{ name, properties: own, profileId: options.profileId ?? this.#profileId },
      groups: options.groups,
    };
    return this.#add("track", payload, options.insertId);
  }

  /** Queues who somebody is; events that follow are theirs. */
  identify(identity: Identity): boolean | Promise<boolean> {
    this.#profileId = identity.profileId;
    return this.#add("identify", { ...identity });
  }

  /** Forgets who somebody is. */
  clear(): void {
    this.#profileId = undefined;
  }

  /** Queues an addition to a number of a profile. */
  increment(
    of: { profileId: string | number; property: string; value?: number },
  ): boolean | Promise<boolean> {
    return this.#add("increment", { ...of });
  }

  /** Queues a subtraction from a number of a profile. */
  decrement(
    of: { profileId: string | number; property: string; value?: number },
  ): boolean | Promise<boolean> {
    return this.#add("decrement", { ...of });
  }

  /** Queues what is known of a group. */
  group(group: Group): boolean | Promise<boolean> {
    return this.#add("group", { ...group });
  }

  /** Queues that a profile belongs to groups. */
  assignGroup(groupIds: readonly string[], profileId?: string | number): boolean | Promise<boolean> {
    return this.#add("assign_group", { groupIds, profileId: profileId ?? this.#profileId });
  }

  /** Queues an event `revenue`. @param amount A whole number, such as cents. */
  revenue(
    amount: number,
    properties: Readonly<Record<string, unknown>> = {},
    options: TrackOptions = {},
  ): boolean | Promise<boolean> {
    return this.track("revenue", { ...properties, __revenue: amount }, options);
  }

  /** Sends what is queued; resolves when that is done, or when a try failed. It never rejects. */
  flush(): Promise<void> {
    return this.#queue.flush();
  }

  /** Takes no further event and sends the rest until the deadline; with a spool, what is left is kept there. */
  stop(options: { deadlineMs?: number } = {}): Promise<StopReport<EventRow>> {
    return this.#queue.stop(options);
  }

  #add(
    type: string,
    payload: Readonly<Record<string, unknown>>,
    insertId: string = crypto.randomUUID(),
  ): boolean | Promise<boolean> {
    return this.#queue.add({ type, payload, insertId });
  }
}

function credentialsOf({ clientId, clientSecret }: EventClientOptions): Record<string, string> {
  return {
    "openpanel-sdk-name": "weir",
    ...(clientId === undefined ? {} : { "openpanel-client-id": clientId }),
    ...(clientSecret === undefined ? {} : { "openpanel-client-secret": clientSecret }),
  };
}
