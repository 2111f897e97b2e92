/**
 * The tree of calls that the events of a request tell.
 * @module
 */

import { type TraceEvent, traceEventOf } from "./event.ts";
import { type OpenSpan, SpanTracker, type Step } from "./spans.ts";

/**
 * How a call ended: by itself, by a throw, not within the trace; or it is an end without a begin, or an event that is
 * neither.
 */
export type CallState = "returned" | "threw" | "unfinished" | "stray" | "mark";

/** One call, or what stands for one. */
export interface Call {
  readonly state: CallState;
  readonly fn: string | undefined;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly functionType: string | undefined;
  readonly args: unknown;
  readonly returnValue: unknown;
  readonly error: unknown;
  readonly unawaited: boolean;
  /** Times as the client sent them, ms; coarse. */
  readonly enteredAt: number | undefined;
  readonly exitedAt: number | undefined;
  /** Did it end after its caller did? */
  readonly outlivesCaller: boolean;
  /** In the order of their begins. */
  readonly children: readonly Call[];
}

type Draft = { -readonly [K in keyof Call]: Call[K] } & { children: Draft[]; isOver: boolean };

/** Builds the tree, event by event. */
export class CallTree {
  readonly #tracker = new SpanTracker();
  readonly #roots: Draft[] = [];
  readonly #calls = new Map<number, Draft>();

  /** The next event, as it was sent. */
  push(value: unknown): void {
    const event = traceEventOf(value);
    for (const step of this.#tracker.push(event)) this.#take(step);
  }

  /** The calls that nobody called, in order. To be called once, after the last event. */
  finish(): readonly Call[] {
    for (const step of this.#tracker.finish()) this.#take(step);
    return this.#roots;
  }

  #take(step: Step): void {
    if (step.kind === "open") return this.#open(step.span);
    if (step.kind === "close") return this.#close(step.span, step.event);
    const { event, kind, within } = step;
    const call = draftOf(event, kind);
    if (kind === "stray") this.#end(call, event);
    call.state = kind;
    this.#childrenOf(within).push(call);
  }

  #open(span: OpenSpan): void {
    const call = draftOf(span.enter, "unfinished");
    call.enteredAt = span.enter.t;
    this.#calls.set(span.number, call);
    this.#childrenOf(span.parent).push(call);
  }

  #close(span: OpenSpan, event: TraceEvent | undefined): void {
    const call = this.#calls.get(span.number)!;
    call.isOver = true;
    if (event === undefined) return;
    call.outlivesCaller = this.#calls.get(span.parent)?.isOver ?? false;
    this.#end(call, event);
  }

  #end(call: Draft, event: TraceEvent): void {
    call.state = event.threw ? "threw" : "returned";
    call.exitedAt = event.t;
    call.returnValue = event.returnValue;
    call.error = event.error;
    call.unawaited = event.unawaited;
  }

  #childrenOf(number: number): Draft[] {
    return this.#calls.get(number)?.children ?? this.#roots;
  }
}

function draftOf(event: TraceEvent, state: CallState): Draft {
  const { fn, file, line, functionType, args, unawaited } = event;
  return {
    ...{ state, fn: fn ?? event.word, file, line, functionType, args, unawaited },
    ...{ returnValue: undefined, error: undefined, enteredAt: event.t, exitedAt: undefined },
    ...{ outlivesCaller: false, children: [], isOver: false },
  };
}
