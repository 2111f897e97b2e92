/**
 * Calls on lanes, for viewers that know only stacks: on a lane, what begins later ends earlier.
 *
 * A call stands on its caller's lane where that is free of others, else on a lane of its own. When a call ends before
 * one that it called, the rest of that one goes on on another lane.
 * @module
 */

import type { OpenSpan } from "./spans.ts";

/** Something begins or ends on a lane. */
export interface LaneStep {
  readonly lane: number;
  readonly span: OpenSpan;
  readonly isBegin: boolean;
  /** Is it no begin or end of the call itself, but a move to another lane? */
  readonly isMove: boolean;
}

/** The lanes of one trace. */
export class Lanes {
  readonly #stacks: OpenSpan[][] = [];
  readonly #laneOf = new Map<number, number>();
  /** Empty lanes below the number of lanes, lowest last. */
  #free: number[] = [];

  /** How many lanes there have been. */
  get count(): number {
    return this.#stacks.length;
  }

  /** A call begins. */
  open(span: OpenSpan): LaneStep[] {
    const callers = this.#laneOf.get(span.parent);
    const isFree = callers !== undefined && this.#stacks[callers].at(-1)?.number === span.parent;
    const lane = isFree ? callers : this.#freeLane();
    return [this.#push(lane, span, false)];
  }

  /** A call ends. */
  close(span: OpenSpan): LaneStep[] {
    const lane = this.#laneOf.get(span.number)!;
    const stack = this.#stacks[lane];
    const above = stack.slice(stack.indexOf(span) + 1);
    const steps = above.toReversed().map((each) => this.#pop(lane, each, true));
    steps.push(this.#pop(lane, span, false));
    if (above.length > 0) {
      const other = this.#freeLane(lane);
      for (const each of above) steps.push(this.#push(other, each, true));
    }
    if (stack.length === 0) this.#release(lane);
    return steps;
  }

  #push(lane: number, span: OpenSpan, isMove: boolean): LaneStep {
    this.#stacks[lane].push(span);
    this.#laneOf.set(span.number, lane);
    return { lane, span, isBegin: true, isMove };
  }

  #pop(lane: number, span: OpenSpan, isMove: boolean): LaneStep {
    this.#stacks[lane].pop();
    this.#laneOf.delete(span.number);
    return { lane, span, isBegin: false, isMove };
  }

  /** An empty lane. @param but Not this one. */
  #freeLane(but = -1): number {
    const free = this.#free.pop();
    if (free !== undefined && free !== but) return free;
    if (free !== undefined) this.#free.push(free);
    return this.#stacks.push([]) - 1;
  }

  #release(lane: number): void {
    // Nearly always few are free; they are kept in order so that a trace stands on the same lanes whatever came before.
    let at = this.#free.length;
    while (at > 0 && this.#free[at - 1] < lane) at--;
    this.#free.splice(at, 0, lane);
  }
}
