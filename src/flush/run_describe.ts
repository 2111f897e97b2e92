/**
 * What events say of suites, tests and steps, written into the model: what is not said leaves alone what is there.
 * @module
 */

import { duration, type Fields, fieldsOf, status, suiteType, text, texts, timestamp } from "./run_fields.ts";
import type { RunAttempt, RunStep, RunSuite, RunTest } from "./run_model.ts";

/** Takes over what is said of a suite. */
export function describeSuite(suite: RunSuite, fields: Fields): void {
  suite.name = text(fields.name) || suite.name;
  suite.project = text(fields.project) || suite.project;
  suite.location = text(fields.location) || suite.location;
  if (fields.type !== undefined) suite.type = suiteType(fields.type);
  suite.status = status(fields.status) ?? suite.status;
  suite.started_at = timestamp(fields.startTime) ?? suite.started_at;
  suite.ended_at = timestamp(fields.endTime) ?? suite.ended_at;
  suite.duration_ms = duration(fields.duration) ?? suite.duration_ms;
}

/** Takes over what is said of a test. */
export function describeTest(test: RunTest, fields: Fields): void {
  test.name = text(fields.name) || test.name;
  test.suite_id = text(fields.testSuiteId) || test.suite_id;
  test.location = text(fields.location) || test.location;
  const tags = texts(fields.tags);
  if (tags.length > 0) test.tags = tags.slice(0, 100);
}

/** Takes over what is said of a step. */
export function describeStep(step: RunStep, fields: Fields): void {
  step.title = text(fields.title) || step.title;
  // Senders of the original put the category among the metadata.
  step.category = text(fields.category) || text(fieldsOf(fields.metadata).category) || text(fields.type) ||
    step.category;
  step.parent_step_id = text(fields.parentStepId) || step.parent_step_id;
  step.error = text(fields.error) || texts(fields.errors)[0] || step.error;
}

/** Steps of an attempt or below a step. */
export function countSteps({ steps }: Pick<RunAttempt | RunStep, "steps">): number {
  return steps.reduce((sum, step) => sum + 1 + countSteps(step), 0);
}

/** Ms from begin to end; null where one of them is not known. */
export function timeBetween(of: { started_at: string | null; ended_at: string | null }): number | null {
  if (of.started_at === null || of.ended_at === null) return null;
  return Math.max(0, Date.parse(of.ended_at) - Date.parse(of.started_at));
}

/** The first of these times; null where none is known. */
export function earliest(times: readonly (string | null)[]): string | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : known.reduce((a, b) => a < b ? a : b);
}
