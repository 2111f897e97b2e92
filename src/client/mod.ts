/**
 * Weir's client library, for Deno, Node 20+ and Bun. Nothing in it throws into its host, keeps a program alive, or
 * holds more than it may.
 * @module
 */

export { EventBuffer } from "./event_buffer.ts";
export type {
  BatchContext,
  DropReason,
  EventBufferEvents,
  EventBufferOptions,
  EventBufferStats,
  FlushVerdict,
  StopReport,
} from "./event_buffer_options.ts";
export type { OverflowPolicy } from "./bounded_queue.ts";
export { GivenUpError } from "./giving_up.ts";
export { EventClient } from "./event_client.ts";
export type { EventClientOptions, EventRow, Group, Identity, TrackOptions } from "./event_client.ts";
export { TestEventClient } from "./test_event_client.ts";
export type { TestEventClientOptions, TestEventRow } from "./test_event_client.ts";
export { RequestTrace, TraceBatcher } from "./trace_batcher.ts";
export type { RequestFields, RequestStart, TraceBatcherOptions, TraceEntry } from "./trace_batcher.ts";
export { expressTracing, fetchTracing, traceOf } from "./trace_middleware.ts";
export type { ExpressRequest, ExpressResponse, TraceMiddlewareOptions } from "./trace_middleware.ts";
export { directorySpool } from "./directory_spool.ts";
export type { SpoolStorage } from "./spool.ts";
export { Delivery } from "./delivery.ts";
export type { DeliveryOptions, DeliveryRequest, DeliveryResult } from "./delivery.ts";
export { DeliveryError } from "./row_sender.ts";
export type { QueueOptions } from "./queue_options.ts";
export type { QueueStats } from "./row_queue.ts";
export { TraceWriter } from "./trace_writer.ts";
export type { TraceFile, TraceWriterOptions } from "./trace_writer.ts";
