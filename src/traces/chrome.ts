/**
 * A request in the Trace Event Format, which Perfetto, chrome://tracing and speedscope open.
 *
 * Source: "Trace Event Format", Google, https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 * (JSON object format; duration events B and E, instant events i, metadata events M).
 * @module
 */

import { type TraceEvent, traceEventOf } from "./event.ts";
import { EventClock } from "./event_clock.ts";
import { readEvents } from "./event_pieces.ts";
import { Lanes, type LaneStep } from "./lanes.ts";
import { SpanTracker, type Step } from "./spans.ts";
import { TextPieces } from "./text_pieces.ts";
import { titleOf, type TracedRequest } from "./traced_request.ts";

const nsPerUs = 1_000;
const pid = 1;

/** The bytes of the file, as they are made. Memory grows with the calls that are open at once. */
export async function* toChrome(request: TracedRequest): AsyncGenerator<Uint8Array, void, undefined> {
  const { app, sid, rid, fields, complete, missingCount } = request;
  const out = new TextPieces();
  const writer = new ChromeWriter(out);
  out.add(`{"displayTimeUnit":"ms","traceEvents":[\n`);
  out.add(JSON.stringify(metadata("process_name", 0, titleOf(request))));
  for await (const group of readEvents(request.events())) {
    for (const value of group) writer.push(traceEventOf(value));
    yield* out.ready();
  }
  const startedAt = writer.finish();
  const other = {
    app,
    sid,
    rid,
    complete,
    missing_batches: missingCount,
    started_at_ms: startedAt,
    ...fields,
  };
  out.add(`\n],"otherData":${JSON.stringify(other)}}\n`);
  yield* out.rest();
}

class ChromeWriter {
  readonly #out: TextPieces;
  readonly #tracker = new SpanTracker();
  readonly #lanes = new Lanes();
  readonly #clock = new EventClock();
  #named = 0;

  constructor(out: TextPieces) {
    this.#out = out;
  }

  push(event: TraceEvent): void {
    const at = this.#clock.next(event.t);
    for (const step of this.#tracker.push(event)) this.#take(step, at);
  }

  /** @returns time of the first event, ms */
  finish(): number {
    for (const step of this.#tracker.finish()) this.#take(step, this.#clock.next(undefined));
    return this.#clock.base;
  }

  #take(step: Step, at: number): void {
    if (step.kind === "open" || step.kind === "close") {
      const { span, event } = step;
      const steps = step.kind === "open" ? this.#lanes.open(span) : this.#lanes.close(span);
      for (const each of steps) this.#write(each, event, at);
      return;
    }
    const { event } = step;
    const name = event.fn ?? event.word ?? "event";
    const args = step.kind === "stray"
      ? { ...argsOfExit(event), stray: "an end without a begin" }
      : undefined;
    this.#put({ ph: "i", s: "t", pid, tid: 1, ts: at / nsPerUs, name, args });
  }

  #write({ lane, span, isBegin, isMove }: LaneStep, event: TraceEvent | undefined, at: number): void {
    this.#nameLanes();
    const common = { pid, tid: lane + 1, ts: at / nsPerUs };
    const { enter } = span;
    if (!isBegin) {
      const args = isMove ? undefined : event ? argsOfExit(event) : { unfinished: true };
      return this.#put({ ph: "E", ...common, args });
    }
    const args = isMove ? { continued: true } : argsOfEnter(enter);
    this.#put({
      ph: "B",
      ...common,
      name: enter.fn ?? "(anonymous)",
      cat: enter.functionType ?? "call",
      args,
    });
  }

  /** A lane gets its name before anything stands on it. */
  #nameLanes(): void {
    for (; this.#named < this.#lanes.count; this.#named++) {
      const name = this.#named === 0 ? "calls" : `calls beside (${this.#named})`;
      this.#put(metadata("thread_name", this.#named + 1, name));
    }
  }

  #put(event: Record<string, unknown>): void {
    this.#out.add(",\n" + JSON.stringify(event));
  }
}

function metadata(what: string, tid: number, name: string): Record<string, unknown> {
  return { ph: "M", pid, tid, ts: 0, name: what, args: { name } };
}

function argsOfEnter({ file, line, args, spanId, parentSpanId }: TraceEvent): Record<string, unknown> {
  return { file, line, args, spanId, parentSpanId };
}

function argsOfExit({ returnValue, threw, error, unawaited }: TraceEvent): Record<string, unknown> {
  return { returnValue, threw: threw || undefined, error, unawaited: unawaited || undefined };
}
