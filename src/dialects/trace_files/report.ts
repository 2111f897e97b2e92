/**
 * What came of files, told: to the client, to the log and to the metrics. Neither of the latter two holds a name
 * or a content.
 * @module
 */

import { errorTable } from "../../base/errors.ts";
import { describeError } from "../../base/log.ts";
import type { Services } from "../dialect.ts";
import type { Written } from "./write_items.ts";
import type { WriteContext } from "./write_context.ts";

/**
 * The reply to a batch: both shapes that clients know, one over the other (contract `trace_files`, Decision 1).
 * @param results From {@link batchResults}.
 */
export function batchReply(files: readonly Written[], durationMs: number, results: string): string {
  const { successful, failed, bytes: totalBytes } = sums(files);
  const processingTime = Math.round(durationMs * 100) / 100;
  const head = JSON.stringify({
    success: successful > 0,
    partial: successful > 0 && failed > 0,
    summary: { totalFiles: files.length, successful, failed, totalBytes, processingTime },
    successCount: successful,
    failureCount: failed,
    totalSize: totalBytes,
  });
  return `${head.slice(0, -1)},"results":${results}}`;
}

/** The part of the reply that tells of each file, as JSON. */
export function batchResults(files: readonly Written[]): string {
  return JSON.stringify(files.map(resultOf));
}

function resultOf({ index, fileName, path: filePath, bytes, problem }: Written): Record<string, unknown> {
  if (problem === undefined) {
    return { index, fileName, success: true, filePath, size: bytes, bytesWritten: bytes };
  }
  const { code, message, retryable } = problem;
  return { index, fileName, success: false, error: message, code, retryable };
}

/** Counts a batch, and logs it a little later: the client's reply need not wait for that. */
export function reportBatch(
  files: readonly Written[],
  durationMs: number,
  { services, inbound, store }: Pick<WriteContext, "services" | "inbound" | "store">,
): void {
  const { metrics } = services;
  const { successful, failed, bytes } = sums(files);
  const result = failed === 0 ? "all" : successful === 0 ? "none" : "some";
  metrics.counter("weir_trace_file_batches_total").inc({ result });
  metrics.histogram("weir_trace_file_batch_seconds").observe(durationMs / 1_000);
  count(files, services);
  // Asked for while the request is there.
  const requestId = inbound.requestId;
  store.lateLines.add(() => {
    services.log.info("Batch of trace files", {
      count: files.length,
      failed,
      success_rate: Math.round(successful / files.length * 1_000) / 1_000,
      bytes,
      duration_ms: Math.round(durationMs * 100) / 100,
      request_id: requestId,
    });
    reportTrouble(files, { log: services.log, requestId });
  });
}

/** Counts a single write. */
export function reportOne(file: Written, { services }: Pick<WriteContext, "services">): void {
  count([file], services);
}

function count(files: readonly Written[], { metrics }: Services): void {
  const outcomes = new Map<string, number>();
  let bytes = 0;
  for (const file of files) {
    const outcome = file.problem?.code ?? "written";
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    bytes += file.bytes;
  }
  for (const [outcome, number] of outcomes) {
    metrics.counter("weir_trace_files_total").inc({ outcome }, number);
  }
  metrics.counter("weir_trace_file_bytes_total").inc(bytes);
}

/** A batch whose files the disk did not take is answered with 200: the log must say it all the same. */
function reportTrouble(
  files: readonly Written[],
  { log, requestId }: { log: Services["log"]; requestId: string },
): void {
  const failed = files.filter(({ problem }) => problem && errorTable[problem.code].level === "error");
  if (failed.length === 0) return;
  const { code, cause } = failed[0].problem!;
  const error = cause === undefined ? undefined : describeError(cause);
  log.error("Trace files could not be written", { count: failed.length, code, error, request_id: requestId });
}

function sums(files: readonly Written[]): { successful: number; failed: number; bytes: number } {
  const successful = files.filter(({ problem }) => problem === undefined).length;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { successful, failed: files.length - successful, bytes };
}
