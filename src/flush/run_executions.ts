/**
 * The executions of a run: processes that ran some of its tests, such as shards.
 * @module
 */

import type { RunExecution, RunStatus } from "./run_model.ts";
import { isBad } from "./run_tests.ts";

/** An execution with what is known of it besides what the model shows. */
export interface ExecutionState {
  readonly execution: RunExecution;
  /** Did its sender name it? */
  readonly isNamed: boolean;
  hasStarted: boolean;
  hasEnded: boolean;
}

/** A run with more of them is none. */
const maxExecutions = 1_000;

/** Finds the execution that an event belongs to. */
export class RunExecutions {
  readonly states: ExecutionState[] = [];
  /** Executions past the most that a run may have. */
  truncated = 0;

  /** The execution that begins: of those without a name each begin is another one. */
  starting(id: string): ExecutionState {
    if (id !== "") return this.of(id);
    const implied = this.states.find(({ isNamed, hasStarted }) => !isNamed && !hasStarted);
    return implied ?? this.#add("");
  }

  /** The execution that ends: of those without a name the oldest that runs. */
  ending(id: string): ExecutionState {
    if (id !== "") return this.of(id);
    const open = this.states.find(({ isNamed, hasEnded }) => !isNamed && !hasEnded);
    return open ?? this.#add("");
  }

  /** The execution of this name; of those without one, the first. */
  of(id: string): ExecutionState {
    const known = id === ""
      ? this.states.find(({ isNamed }) => !isNamed)
      : this.states.find(({ isNamed, execution }) => isNamed && execution.id === id);
    return known ?? this.#add(id);
  }

  #add(id: string): ExecutionState {
    const number = this.states.filter(({ isNamed }) => !isNamed).length + 1;
    const execution: RunExecution = {
      id: id || `#${number}`,
      ...{ status: "RUNNING", started_at: null, ended_at: null, duration_ms: null, total_tests: 0 },
      ...{ suites: [], tests: [] },
    };
    const state = { execution, isNamed: id !== "", hasStarted: false, hasEnded: false };
    if (this.states.length < maxExecutions) this.states.push(state);
    else this.truncated++;
    return state;
  }

  /** RUNNING until every execution ended; then the worst of their ends. */
  get status(): RunStatus {
    const states = this.states.filter(({ hasStarted, hasEnded }) => hasStarted || hasEnded);
    if (states.length === 0 || states.some(({ hasEnded }) => !hasEnded)) return "RUNNING";
    const found = states.map(({ execution }) => execution.status);
    if (found.includes("FAILED")) return "FAILED";
    return found.find(isBad) ?? (found.includes("PASSED") ? "PASSED" : found[0]);
  }

  /** When the last of them ended; null while one runs. */
  get endedAt(): string | null {
    if (this.status === "RUNNING") return null;
    const ends = this.states.map(({ execution }) => execution.ended_at).filter((end) => end !== null);
    return ends.length === 0 ? null : ends.reduce((a, b) => a > b ? a : b);
  }
}
