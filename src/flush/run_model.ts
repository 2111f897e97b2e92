/**
 * What a test run looks like when its events are put together (contract `test_events`, Decision 3).
 * @module
 */

/** How a test, a step or a run ended, or that it did not yet. */
export type RunStatus =
  | "UNKNOWN"
  | "PASSED"
  | "FAILED"
  | "SKIPPED"
  | "BROKEN"
  | "TIMEDOUT"
  | "INTERRUPTED"
  | "RUNNING"
  | "NOT_RUN"
  /** Of a test alone: an attempt passed after one that did not. */
  | "FLAKY";

/** Tests by what came of them. */
export interface RunCounts {
  tests: number;
  passed: number;
  /** Broken, timed out and interrupted ones count here. */
  failed: number;
  flaky: number;
  skipped: number;
  running: number;
  not_run: number;
  attempts: number;
  steps: number;
}

/** What is known of how much came. */
export interface RunCompleteness {
  /** Events that are stored. */
  received: number;
  /** Numbers that senders left out or that were lost on the way. */
  missing: number;
  /** The first of them, as ranges. */
  gaps: { execution_id: string; from: number; to: number }[];
  /** Events whose begin, or whose parent, never came. */
  orphans: { type: string; id: string; event_id: string; reason: string }[];
  orphan_count: number;
  /** Suites, tests, attempts and steps that are only counted, because the run is too large to hold them all. */
  truncated: number;
}

/** What lists of runs show. */
export interface RunSummary {
  run_id: string;
  name: string;
  status: RunStatus;
  started_at: string | null;
  ended_at: string | null;
  duration_ms: number | null;
  /** Declared by the executions, together. */
  total_tests: number;
  counts: RunCounts;
  completeness: RunCompleteness;
  metadata: Record<string, string>;
}

/** A run with all that it holds. */
export interface RunModel extends RunSummary {
  executions: RunExecution[];
  output: RunOutput[];
  /** Lines of output of the run itself, those left out included. */
  output_count: number;
}

/** One process that ran some of the run's tests, such as a shard. */
export interface RunExecution {
  /** As sent; #1, #2, .. where the senders gave none. */
  id: string;
  status: RunStatus;
  started_at: string | null;
  ended_at: string | null;
  duration_ms: number | null;
  total_tests: number;
  suites: RunSuite[];
  /** Tests of which no suite is known. */
  tests: RunTest[];
}

/** A suite with what it holds. */
export interface RunSuite {
  id: string;
  name: string;
  type: string;
  project: string;
  location: string;
  status: RunStatus;
  started_at: string | null;
  ended_at: string | null;
  duration_ms: number | null;
  suites: RunSuite[];
  tests: RunTest[];
}

/** A test with its attempts. */
export interface RunTest {
  id: string;
  name: string;
  suite_id: string;
  location: string;
  tags: string[];
  status: RunStatus;
  attempts: RunAttempt[];
}

/** One try of a test. */
export interface RunAttempt {
  index: number;
  status: RunStatus;
  started_at: string | null;
  ended_at: string | null;
  duration_ms: number | null;
  errors: string[];
  failures: { kind: "failure" | "error"; message: string; stack_trace: string; time: string }[];
  output: RunOutput[];
  attachments: RunAttachment[];
  steps: RunStep[];
}

/** One occurrence of a step. */
export interface RunStep {
  id: string;
  /** Which one of those with its id in the attempt, from 0. */
  occurrence: number;
  title: string;
  category: string;
  parent_step_id: string;
  status: RunStatus;
  started_at: string | null;
  duration_ms: number | null;
  error: string;
  steps: RunStep[];
}

/** A file that came with a test; its bytes are in its event. */
export interface RunAttachment {
  name: string;
  mime_type: string;
  uri: string;
  bytes: number;
}

/** A piece of output. */
export interface RunOutput {
  stream: "stdout" | "stderr";
  message: string;
  time: string;
}
