/**
 * Puts the events of a run together, one after the other, in the order in which they were sent.
 * @module
 */

import type { StoredTestEvent } from "../base/test_runs.ts";
import {
  countSteps,
  describeStep,
  describeSuite,
  describeTest,
  earliest,
  timeBetween,
} from "./run_describe.ts";
import {
  attachment,
  duration,
  type Fields,
  fieldsOf,
  integer,
  list,
  metadata,
  status,
  text,
  texts,
  timestamp,
} from "./run_fields.ts";
import { type ExecutionState, RunExecutions } from "./run_executions.ts";
import type { RunCounts, RunModel, RunOutput, RunSuite } from "./run_model.ts";
import { SeqGaps } from "./seq_gaps.ts";
import { TestState } from "./run_tests.ts";

/** How much of a run the model holds. */
export interface FoldLimits {
  /** Suites, tests, attempts and steps. @default 200000 */
  readonly maxNodes?: number;
  /** Pieces of output, orphans and gaps that are shown each; all are counted. @default 100 */
  readonly maxShown?: number;
}

interface SuiteState {
  readonly suite: RunSuite;
  readonly execution: ExecutionState;
  parentId: string;
}

/** Suites that lie deeper stay on top. */
const maxSuiteDepth = 64;

/** One run on its way into the model. Bounded in what it holds, whatever comes. */
export class RunFold {
  readonly #runId: string;
  readonly #maxNodes: number;
  readonly #maxShown: number;
  readonly #executions = new RunExecutions();
  readonly #suites = new Map<string, SuiteState>();
  readonly #tests = new Map<string, { state: TestState; execution: ExecutionState }>();
  readonly #gaps: SeqGaps;
  readonly #output: RunOutput[] = [];
  readonly #orphans: RunModel["completeness"]["orphans"] = [];
  #orphanCount = 0;
  #outputCount = 0;
  #received = 0;
  #nodes = 0;
  #truncated = 0;
  #name = "";
  #metadata: Record<string, string> = {};

  constructor(runId: string, { maxNodes = 200_000, maxShown = 100 }: FoldLimits = {}) {
    this.#runId = runId;
    this.#maxNodes = maxNodes;
    this.#maxShown = maxShown;
    this.#gaps = new SeqGaps(maxShown);
  }

  /** Takes the next event. */
  add(event: StoredTestEvent): void {
    this.#received++;
    if (event.seq !== undefined) this.#gaps.add(event.execution_id ?? "", event.seq);
    const data = fieldsOf(event.data);
    switch (event.type) {
      case "run.start":
        return this.#startRun(data, event);
      case "run.end":
        return this.#endRun(data, event);
      case "suite.begin":
      case "suite.end":
        return this.#addSuite(fieldsOf(data.suite), event);
      case "test.begin":
        return this.#beginTest(fieldsOf(data.testCase), event);
      case "test.end":
        return this.#endTest(fieldsOf(data.testCase), event);
      case "step.begin":
        return this.#beginStep(fieldsOf(data.step), event);
      case "step.end":
        return this.#endStep(fieldsOf(data.step), event);
      case "test.failure":
      case "test.error":
        return this.#addFailure(data, event);
      case "stdout":
      case "stderr":
        return this.#addOutput(data, event);
      case "heartbeat":
        return;
    }
  }

  /** The run as far as it came. To be called once. */
  finish(): RunModel {
    for (const { state } of this.#tests.values()) {
      for (const step of state.finish()) this.#orphan("step", step.id, "", "its parent never came");
    }
    this.#placeTests();
    this.#placeSuites();
    const executions = this.#executions.states.map(({ execution }) => execution);
    const ended = this.#executions.endedAt;
    const { gaps, missing } = this.#gaps.finish();
    const started = earliest(executions.map(({ started_at }) => started_at));
    return {
      run_id: this.#runId,
      name: this.#name,
      status: this.#executions.status,
      started_at: started,
      ended_at: ended,
      duration_ms: started === null || ended === null ? null : Date.parse(ended) - Date.parse(started),
      total_tests: executions.reduce((sum, { total_tests }) => sum + total_tests, 0),
      counts: this.#counts(),
      completeness: {
        received: this.#received,
        missing,
        gaps,
        orphans: this.#orphans,
        orphan_count: this.#orphanCount,
        truncated: this.#truncated + this.#executions.truncated,
      },
      metadata: this.#metadata,
      executions,
      output: this.#output,
      output_count: this.#outputCount,
    };
  }

  #startRun(data: Fields, event: StoredTestEvent): void {
    const state = this.#executions.starting(executionIdOf(data, event));
    const { execution } = state;
    state.hasStarted = true;
    execution.started_at ??= event.time;
    execution.total_tests = Math.max(execution.total_tests, integer(data.totalTests) ?? 0);
    this.#name ||= text(data.name);
    Object.assign(this.#metadata, metadata(data.metadata));
    for (const suite of list(data.testSuites)) {
      this.#planSuite(fieldsOf(suite), { state, parentId: "", depth: 0 });
    }
  }

  #endRun(data: Fields, event: StoredTestEvent): void {
    const state = this.#executions.ending(executionIdOf(data, event));
    const { execution } = state;
    if (!state.hasStarted) this.#orphan("run.end", execution.id, event.id, "its run.start never came");
    state.hasEnded = true;
    execution.status = status(data.finalStatus) ?? "UNKNOWN";
    execution.started_at = timestamp(data.startTime) ?? execution.started_at;
    execution.duration_ms = duration(data.duration);
    execution.ended_at = execution.started_at !== null && execution.duration_ms !== null
      ? new Date(Date.parse(execution.started_at) + execution.duration_ms).toISOString()
      : event.time;
    Object.assign(this.#metadata, metadata(data.metadata));
  }

  /** A suite of the plan that a run begins with, with what it holds. */
  #planSuite(fields: Fields, at: { state: ExecutionState; parentId: string; depth: number }): void {
    const id = text(fields.id);
    if (id === "" || at.depth > maxSuiteDepth) return;
    const known = this.#suite(id, at.state);
    if (known === undefined) return;
    known.parentId ||= text(fields.parentSuiteId) || at.parentId;
    describeSuite(known.suite, fields);
    for (const each of list(fields.testCases)) {
      this.#planTest(fieldsOf(each), { state: at.state, suiteId: id });
    }
    for (const each of list(fields.subSuites)) {
      this.#planSuite(fieldsOf(each), { state: at.state, parentId: id, depth: at.depth + 1 });
    }
  }

  #planTest(fields: Fields, { state, suiteId }: { state: ExecutionState; suiteId: string }): void {
    const test = this.#test(text(fields.id), state);
    if (test === undefined) return;
    test.test.suite_id ||= suiteId;
    test.planned = status(fields.status) ?? "NOT_RUN";
    describeTest(test.test, fields);
  }

  #addSuite(fields: Fields, event: StoredTestEvent): void {
    const known = this.#suite(text(fields.id), this.#executions.of(executionIdOf(fields, event)));
    if (known === undefined) return;
    known.parentId ||= text(fields.parentSuiteId);
    describeSuite(known.suite, fields);
    if (event.type === "suite.begin") known.suite.started_at ??= event.time;
    else known.suite.ended_at ??= event.time;
  }

  #beginTest(fields: Fields, event: StoredTestEvent): void {
    const test = this.#testOf(text(fields.id), fields, event);
    if (test === undefined) return;
    describeTest(test.test, fields);
    const attempt = this.#counted(test, () => test.begin(integer(fields.retryIndex)));
    attempt.status = "RUNNING";
    attempt.started_at = timestamp(fields.startTime) ?? event.time;
  }

  #endTest(fields: Fields, event: StoredTestEvent): void {
    const id = text(fields.id);
    const test = this.#testOf(id, fields, event);
    if (test === undefined) return;
    describeTest(test.test, fields);
    const { attempt, hasBegun } = this.#counted(test, () => test.end(integer(fields.retryIndex)));
    if (!hasBegun) this.#orphan("test.end", id, event.id, "its test.begin never came");
    attempt.status = status(fields.status) ?? "UNKNOWN";
    attempt.started_at = timestamp(fields.startTime) ?? attempt.started_at;
    attempt.ended_at = timestamp(fields.endTime) ?? event.time;
    attempt.duration_ms = duration(fields.duration) ?? timeBetween(attempt);
    attempt.errors.push(...this.#few(texts(fields.errors)));
    const message = text(fields.errorMessage);
    if (message !== "" && attempt.errors.length === 0) attempt.errors.push(message);
    attempt.attachments.push(...this.#few(list(fields.attachments)).map(attachment));
  }

  #beginStep(fields: Fields, event: StoredTestEvent): void {
    const test = this.#testOf(text(fields.testCaseId), fields, event);
    if (test === undefined || !this.#takeNode()) return;
    const step = this.#counted(test, () => test.beginStep(text(fields.id), integer(fields.retryIndex)));
    describeStep(step, fields);
    step.started_at = timestamp(fields.startTime) ?? event.time;
  }

  #endStep(fields: Fields, event: StoredTestEvent): void {
    const test = this.#testOf(text(fields.testCaseId), fields, event);
    if (test === undefined) return;
    const id = text(fields.id);
    // What was not held when it began cannot end.
    if (this.#truncated > 0 && this.#nodes >= this.#maxNodes) return;
    const { step, hasBegun } = this.#counted(test, () => test.endStep(id, integer(fields.retryIndex)));
    if (!hasBegun) this.#orphan("step.end", id, event.id, "its step.begin never came");
    describeStep(step, fields);
    step.started_at ??= timestamp(fields.startTime);
    step.duration_ms = duration(fields.duration) ?? timeBetween({ ...step, ended_at: event.time });
    step.status = status(fields.status) ?? "UNKNOWN";
  }

  #addFailure(fields: Fields, event: StoredTestEvent): void {
    const test = this.#testOf(text(fields.testId), fields, event);
    if (test === undefined) return;
    const attempt = this.#counted(test, () => test.attemptOf(integer(fields.retryIndex)));
    const kind = event.type === "test.failure" ? "failure" : "error";
    if (attempt.failures.length < this.#maxShown) {
      const message = text(kind === "failure" ? fields.failureMessage : fields.errorMessage);
      const time = timestamp(fields.timestamp) ?? event.time;
      attempt.failures.push({ kind, message, stack_trace: text(fields.stackTrace), time });
    }
    attempt.attachments.push(...this.#few(list(fields.attachments)).map(attachment));
  }

  /** Output without a test is the run's own, such as errors while files were loaded. */
  #addOutput(fields: Fields, event: StoredTestEvent): void {
    const stream = event.type === "stdout" ? "stdout" : "stderr";
    const time = timestamp(fields.timestamp) ?? event.time;
    const piece: RunOutput = { stream, message: text(fields.message), time };
    const id = text(fields.testId);
    const test = id === "" ? undefined : this.#testOf(id, fields, event);
    const target = test
      ? this.#counted(test, () => test.attemptOf(integer(fields.retryIndex))).output
      : this.#output;
    if (test === undefined) this.#outputCount++;
    if (target.length < this.#maxShown) target.push(piece);
  }

  #suite(id: string, execution: ExecutionState): SuiteState | undefined {
    const key = keyOf(execution, id);
    const known = this.#suites.get(key);
    if (known !== undefined || !this.#takeNode()) return known;
    const suite: RunSuite = {
      ...{ id, name: "", type: "ROOT", project: "", location: "", status: "NOT_RUN" },
      ...{ started_at: null, ended_at: null, duration_ms: null, suites: [], tests: [] },
    };
    const state = { suite, execution, parentId: "" };
    this.#suites.set(key, state);
    return state;
  }

  #test(id: string, execution: ExecutionState): TestState | undefined {
    const key = keyOf(execution, id);
    const known = this.#tests.get(key);
    if (known !== undefined) return known.state;
    if (!this.#takeNode()) return undefined;
    const state = new TestState(id);
    this.#tests.set(key, { state, execution });
    return state;
  }

  #testOf(id: string, fields: Fields, event: StoredTestEvent): TestState | undefined {
    return this.#test(id, this.#executions.of(executionIdOf(fields, event)));
  }

  /** Attempts that come into being count as well; there are few, so that they are not held back. */
  #counted<T>(test: TestState, act: () => T): T {
    const before = test.attemptCount;
    const result = act();
    this.#nodes += test.attemptCount - before;
    return result;
  }

  #takeNode(): boolean {
    if (this.#nodes >= this.#maxNodes) {
      this.#truncated++;
      return false;
    }
    this.#nodes++;
    return true;
  }

  #few<T>(values: readonly T[]): readonly T[] {
    return values.slice(0, this.#maxShown);
  }

  #orphan(type: string, id: string, eventId: string, reason: string): void {
    this.#orphanCount++;
    if (this.#orphans.length < this.#maxShown) this.#orphans.push({ type, id, event_id: eventId, reason });
  }

  #placeTests(): void {
    for (const { state: { test }, execution } of this.#tests.values()) {
      const suite = this.#suites.get(keyOf(execution, test.suite_id));
      (suite?.suite.tests ?? execution.execution.tests).push(test);
    }
  }

  #placeSuites(): void {
    for (const state of this.#suites.values()) {
      const parent = this.#suites.get(keyOf(state.execution, state.parentId));
      if (parent === undefined && state.parentId !== "") {
        this.#orphan("suite", state.suite.id, "", "its parent never came");
      }
      const isNested = parent !== undefined && this.#depthOf(parent, state) < maxSuiteDepth;
      (isNested ? parent.suite.suites : state.execution.execution.suites).push(state.suite);
    }
  }

  /** Steps from a suite up to the top; Infinity where that leads past `below` or goes on for ever. */
  #depthOf(suite: SuiteState, below: SuiteState): number {
    let depth = 0;
    for (let at: SuiteState | undefined = suite; at !== undefined; depth++) {
      if (at === below || depth > maxSuiteDepth) return Infinity;
      at = this.#suites.get(keyOf(at.execution, at.parentId));
    }
    return depth;
  }

  #counts(): RunCounts {
    const counts: RunCounts = {
      ...{ tests: 0, passed: 0, failed: 0, flaky: 0, skipped: 0, running: 0, not_run: 0 },
      ...{ attempts: 0, steps: 0 },
    };
    for (const { state } of this.#tests.values()) {
      const { test } = state;
      counts.tests++;
      counts.attempts += test.attempts.length;
      counts.steps += test.attempts.reduce((sum, attempt) => sum + countSteps(attempt), 0);
      if (test.status === "PASSED") counts.passed++;
      else if (test.status === "FLAKY") counts.flaky++;
      else if (test.status === "SKIPPED") counts.skipped++;
      else if (test.status === "RUNNING") counts.running++;
      else if (test.status === "NOT_RUN") counts.not_run++;
      else counts.failed++;
    }
    return counts;
  }
}

/** Executions without a name share their tests: only their begins and ends are told apart. */
function keyOf({ isNamed, execution }: ExecutionState, id: string): string {
  return `${isNamed ? execution.id : ""}\n${id}`;
}

function executionIdOf(fields: Fields, event: StoredTestEvent): string {
  return text(fields.executionId) || event.execution_id || "";
}
