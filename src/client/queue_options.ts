/**
 * What all clients that queue rows have in common.
 * @module
 */

import type { ClientClock } from "./client_clock.ts";
import { Delivery, type DeliveryOptions } from "./delivery.ts";
import type { EventBufferOptions } from "./event_buffer_options.ts";

/** How rows are gathered and delivered. */
export interface QueueOptions<T> extends
  Pick<
    EventBufferOptions<T>,
    | "maxEvents"
    | "maxBytes"
    | "overflow"
    | "retries"
    | "giveUpAfterMs"
    | "firstDelayMs"
    | "maxDelayMs"
    | "onDrop"
    | "onError"
  > {
  /** Where the daemon is. @default "http://127.0.0.1:7400" */
  readonly url?: string;
  /** Further headers with each request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** One request, from its start to the last byte of the reply. @default 30000 */
  readonly timeoutMs?: number;
  /** Compress bodies above 1 KiB. @default true */
  readonly gzip?: boolean;
  /** @default the runtime's */
  readonly fetch?: DeliveryOptions["fetch"];
  readonly clock?: ClientClock;
  /** From 0 to 1, 1 excluded. @default Math.random */
  readonly random?: () => number;
}

/** The address of a route. */
export function routeUrl({ url = "http://127.0.0.1:7400" }: { url?: string }, path: string): string {
  return url.replace(/\/+$/, "") + path;
}

/** Brings one body at a time; trying again is left to the buffer, which keeps the order. */
export function oneTry(options: QueueOptions<never>): Delivery {
  const { timeoutMs = 30_000, gzip = true, fetch, clock, random } = options;
  return new Delivery({ retries: 0, timeoutMs, gzip, fetch, clock, random });
}
