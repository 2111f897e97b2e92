/**
 * The tests of a run on their way into the model: attempts are told apart, steps find their begin and their parent.
 * @module
 */

import type { RunAttempt, RunStatus, RunStep, RunTest } from "./run_model.ts";

/** A step that was begun, or whose end came alone. */
interface OpenStep {
  readonly step: RunStep;
  isOpen: boolean;
}

/** What is known of an attempt besides what the model shows. */
interface AttemptState {
  readonly attempt: RunAttempt;
  readonly steps: OpenStep[];
  readonly byId: Map<string, OpenStep[]>;
  hasBegun: boolean;
  hasEnded: boolean;
}

const bad: ReadonlySet<RunStatus> = new Set(["FAILED", "BROKEN", "TIMEDOUT", "INTERRUPTED", "UNKNOWN"]);

/** Is this a bad end? */
export function isBad(status: RunStatus): boolean {
  return bad.has(status);
}

/**
 * One test. Events are handed in in the order in which they were sent.
 *
 * Which attempt an event belongs to (contract `test_events`, section 6, case 3): the one that it names; else, since
 * senders leave the number out, the one that began last. A begin without a number after another begin is the next.
 */
export class TestState {
  readonly test: RunTest;
  /** Status before any attempt, as the plan of the run gave it. */
  planned: RunStatus = "NOT_RUN";
  readonly #attempts = new Map<number, AttemptState>();
  #current = -1;

  constructor(id: string) {
    this.test = { id, name: "", suite_id: "", location: "", tags: [], status: "NOT_RUN", attempts: [] };
  }

  /** Attempts so far. */
  get attemptCount(): number {
    return this.#attempts.size;
  }

  /** The attempt that begins. */
  begin(sent: number | undefined): RunAttempt {
    // A sender of protobuf cannot tell 0 from nothing.
    const isNumbered = sent !== undefined && (sent > 0 || this.#current < 0);
    const index = isNumbered ? sent : this.#current + 1;
    const state = this.#state(index);
    state.hasBegun = true;
    this.#current = index;
    return state.attempt;
  }

  /** The attempt that ends, and whether its begin came. */
  end(sent: number | undefined): { attempt: RunAttempt; hasBegun: boolean } {
    const state = this.#state(this.#endingIndex(sent));
    state.hasEnded = true;
    return state;
  }

  /** The attempt that an event in between belongs to. */
  attemptOf(sent: number | undefined): RunAttempt {
    return this.#state(this.#indexOf(sent)).attempt;
  }

  /** A step begins: a new occurrence of its id. */
  beginStep(id: string, sent: number | undefined): RunStep {
    return this.#addStep(this.#state(this.#indexOf(sent)), id, true);
  }

  /** A step ends: the oldest open occurrence of its id; a new one where there is none. */
  endStep(id: string, sent: number | undefined): { step: RunStep; hasBegun: boolean } {
    const state = this.#state(this.#indexOf(sent));
    const open = state.byId.get(id)?.find(({ isOpen }) => isOpen);
    if (open === undefined) return { step: this.#addStep(state, id, false), hasBegun: false };
    open.isOpen = false;
    return { step: open.step, hasBegun: true };
  }

  /** The test with everything in its place. Returns the steps whose parent never came. */
  finish(): RunStep[] {
    const orphans: RunStep[] = [];
    const states = [...this.#attempts.values()].sort((a, b) => a.attempt.index - b.attempt.index);
    for (const state of states) orphans.push(...nestSteps(state));
    this.test.attempts = states.map(({ attempt }) => attempt);
    this.test.status = this.#statusOf(states);
    return orphans;
  }

  #statusOf(states: readonly AttemptState[]): RunStatus {
    const last = states.at(-1);
    if (last === undefined) return this.planned;
    const { status } = last.attempt;
    const hadBad = states.slice(0, -1).some(({ attempt, hasEnded }) => hasEnded && isBad(attempt.status));
    return status === "PASSED" && hadBad ? "FLAKY" : status;
  }

  #indexOf(sent: number | undefined): number {
    return sent !== undefined && sent > 0 ? sent : Math.max(0, this.#current);
  }

  #endingIndex(sent: number | undefined): number {
    if (sent !== undefined && sent > 0) return sent;
    // An end that names 0 although a later attempt began means the first, when that has not ended.
    const first = this.#attempts.get(0);
    if (sent === 0 && first?.hasEnded === false) return 0;
    const current = this.#attempts.get(this.#current);
    if (current === undefined || !current.hasEnded) return Math.max(0, this.#current);
    const open = [...this.#attempts.values()].find(({ hasEnded, hasBegun }) => hasBegun && !hasEnded);
    return open?.attempt.index ?? this.#current;
  }

  #state(index: number): AttemptState {
    const known = this.#attempts.get(index);
    if (known) return known;
    const state: AttemptState = {
      attempt: {
        ...{ index, status: "RUNNING", started_at: null, ended_at: null, duration_ms: null },
        ...{ errors: [], failures: [], output: [], attachments: [], steps: [] },
      },
      ...{ steps: [], byId: new Map(), hasBegun: false, hasEnded: false },
    };
    this.#attempts.set(index, state);
    return state;
  }

  #addStep(state: AttemptState, id: string, isOpen: boolean): RunStep {
    const known = state.byId.get(id) ?? [];
    const step: RunStep = {
      ...{ id, occurrence: known.length, title: "", category: "", parent_step_id: "", status: "RUNNING" },
      ...{ started_at: null, duration_ms: null, error: "", steps: [] },
    };
    const open = { step, isOpen };
    known.push(open);
    state.byId.set(id, known);
    state.steps.push(open);
    return step;
  }
}

/** Steps that lie deeper stay on top: what reads the model must not run out of stack. */
const maxDepth = 64;

/**
 * Puts steps under their parents: the last occurrence of the parent's id that began before. One that came later than
 * its children takes them when it has no parent itself, so that no step can come to lie within itself.
 * Returns those whose parent is not there; they stay on top.
 */
function nestSteps({ attempt, steps }: AttemptState): RunStep[] {
  const orphans: RunStep[] = [];
  const depths = new Map<RunStep, number>();
  const latest = new Map<string, RunStep>();
  const top = new Map<string, RunStep>();
  for (const { step } of steps) if (step.parent_step_id === "" && !top.has(step.id)) top.set(step.id, step);
  attempt.steps = [];
  for (const { step } of steps) {
    const parent = latest.get(step.parent_step_id) ?? top.get(step.parent_step_id);
    const depth = parent === undefined ? 0 : (depths.get(parent) ?? 0) + 1;
    latest.set(step.id, step);
    const isNested = step.parent_step_id !== "" && parent !== undefined && depth <= maxDepth;
    depths.set(step, isNested ? depth : 0);
    if (isNested) parent.steps.push(step);
    else {
      attempt.steps.push(step);
      if (step.parent_step_id !== "") orphans.push(step);
    }
  }
  return orphans;
}
