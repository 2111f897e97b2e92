/**
 * Which end belongs to which begin, and who called whom, event by event in the order in which they were sent.
 *
 * Times are no order: thousands of events share a millisecond (contract `backend`, section 4). Where a client numbers
 * its calls the numbers decide, else the depth, else the order alone. What does not fit is told, not mended.
 * @module
 */

import type { SpanId, TraceEvent } from "./event.ts";

/** Numbers of calls that are remembered after their end, so that a late callee finds its caller. */
const maxRemembered = 2_000_000;
/** Calls that may be open at once; past it the one that began first counts as never ended. */
const maxOpen = 100_000;
/** Open calls that are looked at for one without a number. */
const maxLooked = 1_000;

/** A call that has begun. */
export interface OpenSpan {
  /** From 1, in the order of begins. */
  readonly number: number;
  /** Number of the caller, which may have ended; 0 where there is none. */
  readonly parent: number;
  readonly enter: TraceEvent;
}

/** What an event means. */
export type Step =
  | { readonly kind: "open"; readonly span: OpenSpan; readonly event: TraceEvent }
  /** `event` is undefined where the trace ended before the call. */
  | { readonly kind: "close"; readonly span: OpenSpan; readonly event: TraceEvent | undefined }
  /** The end of a call that never began, or an event that is neither begin nor end; `within` the innermost call. */
  | { readonly kind: "stray" | "mark"; readonly event: TraceEvent; readonly within: number };

/** Follows the calls of one trace. Memory grows with the calls that are open, and by a number for each that was. */
export class SpanTracker {
  /** In the order of their begins. */
  readonly #open = new Map<number, OpenSpan>();
  /** The same, and some that have ended. */
  #recent: OpenSpan[] = [];
  readonly #byId = new Map<SpanId, OpenSpan[]>();
  /** Numbers by the client's numbers, also of calls that have ended. */
  readonly #numbers = new Map<SpanId, number>();
  #count = 0;

  /** The next event: nearly always one step. */
  push(event: TraceEvent): readonly Step[] {
    if (event.type === "enter") {
      const steps: Step[] = this.#open.size < maxOpen ? [] : [this.#giveUpOldest()];
      steps.push({ kind: "open", span: this.#begin(event), event });
      return steps;
    }
    const span = event.type === "exit" ? this.#endOf(event) : undefined;
    if (span === undefined) {
      const within = this.#latest(() => true)?.number ?? 0;
      return [{ kind: event.type === "exit" ? "stray" : "mark", event, within }];
    }
    this.#forget(span);
    return [{ kind: "close", span, event }];
  }

  /** No event comes any more: what is open never ended. The innermost come first. */
  *finish(): Generator<Step, void, undefined> {
    for (const span of [...this.#open.values()].reverse()) {
      this.#forget(span);
      yield { kind: "close", span, event: undefined };
    }
  }

  #begin(enter: TraceEvent): OpenSpan {
    const span: OpenSpan = { number: ++this.#count, parent: this.#parentOf(enter), enter };
    this.#open.set(span.number, span);
    this.#recent.push(span);
    const { spanId } = enter;
    if (spanId === undefined) return span;
    const same = this.#byId.get(spanId);
    if (same) same.push(span);
    else this.#byId.set(spanId, [span]);
    if (this.#numbers.size < maxRemembered) this.#numbers.set(spanId, span.number);
    return span;
  }

  #parentOf({ parentSpanId, depth }: TraceEvent): number {
    if (parentSpanId === null) return 0;
    if (parentSpanId !== undefined) {
      return this.#byId.get(parentSpanId)?.at(-1)?.number ?? this.#numbers.get(parentSpanId) ?? 0;
    }
    const caller = depth === undefined
      ? this.#latest(() => true)
      : this.#latest(({ enter }) => enter.depth !== undefined && enter.depth < depth);
    return caller?.number ?? 0;
  }

  /** The call that this event ends. */
  #endOf(exit: TraceEvent): OpenSpan | undefined {
    const { spanId, depth } = exit;
    const isSameFunction = ({ enter }: OpenSpan): boolean =>
      exit.fn === undefined ||
      (enter.fn === exit.fn && (enter.file ?? exit.file) === (exit.file ?? enter.file));
    const isSameDepth = ({ enter }: OpenSpan): boolean => depth === undefined || enter.depth === depth;
    if (spanId === undefined) return this.#latest((span) => isSameDepth(span) && isSameFunction(span));
    const same = this.#byId.get(spanId)?.slice(-maxLooked).findLast(isSameFunction);
    if (same) return same;
    // Clients give ends the number of another call of the same function: then the function and the depth decide.
    return this.#latest((span) => isSameDepth(span) && isSameFunction(span)) ?? this.#latest(isSameFunction);
  }

  /** The open call that fits, of those that began last. */
  #latest(fits: (span: OpenSpan) => boolean): OpenSpan | undefined {
    const recent = this.#recent;
    while (recent.length > 0 && !this.#open.has(recent[recent.length - 1].number)) recent.pop();
    let looked = 0;
    for (let i = recent.length - 1; i >= 0 && looked < maxLooked; i--) {
      if (!this.#open.has(recent[i].number)) continue;
      if (fits(recent[i])) return recent[i];
      looked++;
    }
    return undefined;
  }

  #giveUpOldest(): Step {
    const [span] = this.#open.values();
    this.#forget(span);
    return { kind: "close", span, event: undefined };
  }

  #forget(span: OpenSpan): void {
    this.#open.delete(span.number);
    if (this.#recent.length > 2 * this.#open.size + maxLooked) this.#recent = [...this.#open.values()];
    const { spanId } = span.enter;
    if (spanId === undefined) return;
    const same = this.#byId.get(spanId)!;
    if (same.length === 1) this.#byId.delete(spanId);
    else same.splice(same.lastIndexOf(span), 1);
  }
}
