/**
 * The only catalogue of dialects.
 * @module
 */

import type { Authority } from "./authority.ts";
import { createBackendDialect } from "./backend/route.ts";
import type { Dialect } from "./dialect.ts";
import { createTestEventsDialect } from "./test_events/route.ts";
import { createTraceFilesDialect } from "./trace_files/route.ts";
import { createTrackDialect } from "./track/route.ts";

/** Every dialect that the daemon speaks. */
export function createDialects(authority: Authority): Dialect[] {
  return [
    createTrackDialect(authority),
    createBackendDialect(authority),
    createTraceFilesDialect(authority),
    createTestEventsDialect(authority),
  ];
}
