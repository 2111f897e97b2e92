/**
 * Everything a request needs on its way through.
 * @module
 */

import type { BufferPool } from "../base/buffer_pool.ts";
import type { Services } from "../dialects/dialect.ts";
import type { Flusher } from "../flush/flusher.ts";
import type { Journal } from "../journal/append.ts";
import type { Admission } from "./admission.ts";
import type { Idempotency } from "./idempotency.ts";
import type { StallWatch } from "./stall_watch.ts";
import type { Twins } from "./twins.ts";

/** The daemon's rooms, as the pipeline uses them. */
export interface House extends Services {
  readonly journal: Journal;
  readonly flusher: Pick<Flusher, "poke">;
  readonly admission: Admission;
  /** Buffers of records on their way to the journal. */
  readonly buffers: BufferPool;
  readonly stalls: StallWatch;
  readonly idempotency: Idempotency;
  readonly twins: Twins;
}
