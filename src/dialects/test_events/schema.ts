/**
 * Rows of dialect `test_events` (contract `test_events`, Decision 1).
 * @module
 */

import { z } from "zod";
import { testEventTypes } from "../../base/test_runs.ts";
import { readMessage } from "./messages_of.ts";
import type { EventHead } from "./write_event.ts";

/** Years 1970 to 9999. */
const maxTime = 253_402_300_799_999;
const maxNameCharacters = 256;

const name = z.string().min(1).max(maxNameCharacters).refine(
  (text) => !/\p{Cc}/u.test(text) && text.isWellFormed(),
  "Invalid input: expected no control characters",
);
const time = z.union([z.number(), z.string().max(64)]);

const row = z.object({
  id: name,
  seq: z.int().min(0).nullish(),
  type: z.enum(testEventTypes),
  runId: name,
  executionId: z.string().max(maxNameCharacters).nullish(),
  time: time.nullish(),
  data: z.record(z.string(), z.unknown()).optional(),
});

/** A row that is fit, or why it is not. */
export type CheckedRow =
  | { readonly head: EventHead; readonly problem: undefined }
  | { readonly problem: string };

/** Looks at one row. @param arrivedAt Stands for a time that is missing, ms since the epoch. */
export function checkRow(value: unknown, arrivedAt: number): CheckedRow {
  const checked = row.safeParse(inCamelCase(value));
  if (!checked.success) {
    const { path, message } = checked.error.issues[0];
    return { problem: ["event", ...path].join("/") + " " + message };
  }
  const { id, seq, type, runId, executionId, data = {} } = checked.data;
  const t = timeOf(checked.data.time, arrivedAt);
  if (t === undefined) {
    return { problem: "event/time Invalid input: expected ISO 8601, or ms since the epoch" };
  }
  const facts = readMessage(type, data);
  if (facts.problem !== undefined) return { problem: `event/data ${facts.problem}` };
  if (facts.runId !== "" && facts.runId !== runId) {
    return { problem: "event/data names another run than event/runId" };
  }
  const head = { id, seq: seq ?? undefined, type, runId, executionId: executionId || facts.executionId, t };
  return { head: { ...head, executionId: head.executionId.toWellFormed() }, problem: undefined };
}

/** What names a run may have. */
export function nameProblem(text: string): string | undefined {
  return name.safeParse(text).error?.issues[0].message;
}

/** Ms since the epoch; undefined when it is no time. */
function timeOf(sent: string | number | null | undefined, arrivedAt: number): number | undefined {
  if (sent === undefined || sent === null) return arrivedAt;
  const t = typeof sent === "number" ? Math.floor(sent) : Date.parse(sent);
  return t >= 0 && t <= maxTime ? t : undefined;
}

/** Rows in the style of proto3 JSON may name their members in snake_case. */
function inCamelCase(value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  const { run_id, execution_id, ...rest } = value as Record<string, unknown>;
  return {
    ...(run_id === undefined ? {} : { runId: run_id }),
    ...(execution_id === undefined ? {} : { executionId: execution_id }),
    ...rest,
  };
}
