/**
 * Which message each kind of event carries, and what must stand in it (contract `test_events`, sections 1 and 4).
 * @module
 */

import { type DescMessage, fromJson, type JsonValue, type MessageShape } from "@bufbuild/protobuf";
import type { TestEventType } from "../../base/test_runs.ts";
import {
  HeartbeatEventRequestSchema,
  ReportRunStartEventRequestSchema,
  StdErrorEventRequestSchema,
  StdOutputEventRequestSchema,
  StepBeginEventRequestSchema,
  StepEndEventRequestSchema,
  SuiteBeginEventRequestSchema,
  SuiteEndEventRequestSchema,
  TestBeginEventRequestSchema,
  TestEndEventRequestSchema,
  TestErrorEventRequestSchema,
  TestFailureEventRequestSchema,
  TestRunEndEventRequestSchema,
} from "./messages/testsystem/v1/events_pb.ts";

/** What an event's message says of where it belongs. */
export interface MessageFacts {
  /** "" where it names none. */
  readonly runId: string;
  readonly executionId: string;
  /** Why the message is refused; undefined when it is fit. */
  readonly problem: string | undefined;
}

/** A kind of event: its message, and what is read from it. */
interface EventKind<Desc extends DescMessage> {
  readonly schema: Desc;
  facts(message: MessageShape<Desc>): MessageFacts;
}

function kind<Desc extends DescMessage>(
  schema: Desc,
  facts: (message: MessageShape<Desc>) => MessageFacts,
): EventKind<DescMessage> {
  return { schema, facts: facts as (message: MessageShape<DescMessage>) => MessageFacts };
}

interface Entity {
  readonly id: string;
  readonly runId: string;
  readonly executionId: string;
}

function ofEntity(entity: Entity | undefined, name: string): MessageFacts {
  const { id = "", runId = "", executionId = "" } = entity ?? {};
  return { runId, executionId, problem: id === "" ? `${name}.id must not be empty` : undefined };
}

interface OfTest {
  readonly testId: string;
  readonly runId: string;
  readonly executionId: string;
}

function ofTest({ testId, runId, executionId }: OfTest): MessageFacts {
  return { runId, executionId, problem: testId === "" ? "test_id must not be empty" : undefined };
}

function ofRun({ runId, executionId }: { runId: string; executionId: string }): MessageFacts {
  return { runId, executionId, problem: undefined };
}

/** Every kind of event. */
export const eventKinds: Record<TestEventType, EventKind<DescMessage>> = {
  // The plan may be empty: a run with nothing but an error while loading has one, too.
  "run.start": kind(ReportRunStartEventRequestSchema, ofRun),
  "run.end": kind(TestRunEndEventRequestSchema, ofRun),
  "suite.begin": kind(SuiteBeginEventRequestSchema, ({ suite }) => ofEntity(suite, "suite")),
  "suite.end": kind(SuiteEndEventRequestSchema, ({ suite }) => ofEntity(suite, "suite")),
  "test.begin": kind(TestBeginEventRequestSchema, ({ testCase }) => ofEntity(testCase, "test_case")),
  "test.end": kind(TestEndEventRequestSchema, ({ testCase }) => ofEntity(testCase, "test_case")),
  "step.begin": kind(StepBeginEventRequestSchema, ({ step }) => ofEntity(step, "step")),
  "step.end": kind(StepEndEventRequestSchema, ({ step }) => ofEntity(step, "step")),
  "test.failure": kind(TestFailureEventRequestSchema, ofTest),
  "test.error": kind(TestErrorEventRequestSchema, ofTest),
  "stdout": kind(StdOutputEventRequestSchema, ofTest),
  // Errors outside of any test are the run's own.
  "stderr": kind(StdErrorEventRequestSchema, ofRun),
  "heartbeat": kind(HeartbeatEventRequestSchema, ({ sourceId }) => ({
    ...{ runId: "", executionId: "" },
    problem: sourceId === "" ? "source_id must not be empty" : undefined,
  })),
};

/** What the message in proto3 JSON says; the problem names a field and never a value. */
export function readMessage(type: TestEventType, data: unknown): MessageFacts {
  const { schema, facts } = eventKinds[type];
  try {
    return facts(fromJson(schema, data as JsonValue, { ignoreUnknownFields: true }));
  } catch (error) {
    const field = /(?:field|message) ([\w.]+)/.exec(error instanceof Error ? error.message : "")?.[1];
    const where = field === undefined ? "" : `: ${field}`;
    return { runId: "", executionId: "", problem: `data is not the message ${schema.typeName}${where}` };
  }
}
