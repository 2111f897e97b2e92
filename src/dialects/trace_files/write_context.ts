/**
 * What a write of trace files, single or batch, has at hand.
 * @module
 */

import type { Inbound, Services } from "../dialect.ts";
import type { TraceFileStore } from "./store.ts";

/** What a request is answered with. */
export interface WriteContext {
  readonly inbound: Inbound;
  readonly services: Services;
  readonly store: TraceFileStore;
  /** Who was admitted. */
  readonly app: string;
}
