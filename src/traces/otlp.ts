/**
 * A request as OTLP/JSON: what an OTLP/HTTP receiver takes on `/v1/traces`.
 *
 * Source: OpenTelemetry Protocol Specification 1.x, "JSON Protobuf Encoding" (ids as hex, 64-bit numbers as text), and
 * opentelemetry/proto/trace/v1/trace.proto. Attribute names: Semantic Conventions for HTTP and code.
 * @module
 */

import { createHash } from "node:crypto";
import { type TraceEvent, traceEventOf } from "./event.ts";
import { EventClock } from "./event_clock.ts";
import { readEvents } from "./event_pieces.ts";
import { type OpenSpan, SpanTracker, type Step } from "./spans.ts";
import { TextPieces } from "./text_pieces.ts";
import { titleOf, type TracedRequest } from "./traced_request.ts";

const kind = { internal: 1, server: 2 } as const;
const statusError = 2;
const nsPerMs = 1_000_000n;
/** Of a value that is no scalar, written as JSON. */
const maxValueCharacters = 4_096;

/** The bytes of one `ExportTraceServiceRequest`, as they are made. A span is written when its call ends. */
export async function* toOtlp(request: TracedRequest): AsyncGenerator<Uint8Array, void, undefined> {
  const out = new TextPieces();
  const writer = new SpanWriter(request, out);
  const resource = attributes({ "service.name": request.app });
  out.add(`{"resourceSpans":[{"resource":{"attributes":${JSON.stringify(resource)}},`);
  out.add(`"scopeSpans":[{"scope":{"name":"weir"},"spans":[\n`);
  for await (const group of readEvents(request.events())) {
    for (const value of group) writer.push(traceEventOf(value));
    yield* out.ready();
  }
  writer.finish();
  out.add("\n]}]}]}\n");
  yield* out.rest();
}

class SpanWriter {
  readonly #request: TracedRequest;
  readonly #out: TextPieces;
  readonly #tracker = new SpanTracker();
  readonly #clock = new EventClock();
  /** Begin of each call that is open, ns since the first event. */
  readonly #begins = new Map<number, number>();
  readonly #traceId: string;
  readonly #prefix: string;
  #strays = 0;

  constructor(request: TracedRequest, out: TextPieces) {
    this.#request = request;
    this.#out = out;
    const { app, sid, rid } = request;
    const digest = createHash("sha256").update(JSON.stringify(["weir", app, sid, rid])).digest("hex");
    this.#traceId = digest.slice(0, 32);
    this.#prefix = digest.slice(32, 38);
  }

  push(event: TraceEvent): void {
    const at = this.#clock.next(event.t);
    for (const step of this.#tracker.push(event)) this.#take(step, at);
  }

  /** Ends what is open, and writes the span of the request itself. */
  finish(): void {
    for (const step of this.#tracker.finish()) this.#take(step, this.#clock.next(undefined));
    this.#out.add(JSON.stringify(this.#ofRequest()));
  }

  #take(step: Step, at: number): void {
    if (step.kind === "open") this.#begins.set(step.span.number, at);
    else if (step.kind === "close") {
      const begin = this.#begins.get(step.span.number)!;
      this.#begins.delete(step.span.number);
      this.#out.add(JSON.stringify(this.#ofCall(step.span, step.event, { begin, end: at })) + ",\n");
    } else if (step.kind === "stray") this.#strays++;
  }

  #ofCall(
    { number, parent, enter }: OpenSpan,
    exit: TraceEvent | undefined,
    { begin, end }: { begin: number; end: number },
  ): Record<string, unknown> {
    const endTime = this.#timeOf(end);
    const threw = exit?.threw === true;
    return {
      traceId: this.#traceId,
      spanId: this.#idOf(number),
      parentSpanId: this.#idOf(parent),
      name: enter.fn ?? "(anonymous)",
      kind: kind.internal,
      startTimeUnixNano: this.#timeOf(begin),
      endTimeUnixNano: endTime,
      attributes: attributes({
        "code.function.name": enter.fn,
        "code.file.path": enter.file,
        "code.line.number": enter.line,
        "weir.function_type": enter.functionType,
        "weir.args": enter.args,
        "weir.return_value": exit?.returnValue,
        "weir.unawaited": exit?.unawaited || undefined,
        "weir.unfinished": exit === undefined || undefined,
      }),
      events: threw ? [exceptionOf(exit.error, endTime)] : undefined,
      status: threw ? { code: statusError, message: messageOf(exit.error) } : undefined,
    };
  }

  #ofRequest(): Record<string, unknown> {
    const { rid, sid, fields, firstT, complete, missingCount } = this.#request;
    const hasEvents = this.#clock.last > 0;
    const duration = typeof fields.dur_ms === "number" && fields.dur_ms > 0 ? fields.dur_ms : 0;
    const status = typeof fields.status === "number" ? fields.status : undefined;
    const begin = hasEvents ? this.#timeOf(0) : unixNano(firstT);
    return {
      traceId: this.#traceId,
      spanId: this.#idOf(0),
      name: titleOf(this.#request),
      kind: kind.server,
      startTimeUnixNano: begin,
      endTimeUnixNano: hasEvents ? this.#timeOf(this.#clock.last) : unixNano(firstT + duration),
      attributes: attributes({
        "http.request.method": fields.method,
        "http.response.status_code": status,
        "url.path": typeof fields.url === "string" ? fields.url.split("?")[0] : undefined,
        "session.id": sid,
        "weir.rid": rid,
        "weir.action_id": fields.action_id,
        "weir.dur_ms": fields.dur_ms,
        "weir.complete": complete,
        "weir.missing_batches": missingCount,
        "weir.stray_ends": this.#strays || undefined,
      }),
      status: status !== undefined && status >= 500 ? { code: statusError } : undefined,
    };
  }

  /** Eight bytes, never all zero: three of the trace, five that count. The request itself is 0. */
  #idOf(number: number): string {
    return this.#prefix + (number + 1).toString(16).padStart(10, "0");
  }

  #timeOf(ns: number): string {
    return String(BigInt(unixNano(this.#clock.base)) + BigInt(ns));
  }
}

/** ms since the epoch as ns, in decimal digits. */
function unixNano(ms: number): string {
  const whole = Math.trunc(ms);
  const isTime = Number.isSafeInteger(whole) && whole >= 0;
  return isTime ? String(BigInt(whole) * nsPerMs) : "0";
}

interface Attribute {
  readonly key: string;
  readonly value: Record<string, unknown>;
}

/** Those that have a value. */
function attributes(named: Record<string, unknown>): Attribute[] {
  return Object.entries(named).flatMap(([key, value]) =>
    value === undefined || value === null ? [] : [{ key, value: anyValue(value) }]
  );
}

function anyValue(value: unknown): Record<string, unknown> {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  }
  const json = JSON.stringify(value) ?? "";
  return { stringValue: json.length <= maxValueCharacters ? json : json.slice(0, maxValueCharacters) + "…" };
}

function exceptionOf(error: unknown, timeUnixNano: string): Record<string, unknown> {
  const { name, stack } = (error ?? {}) as { name?: unknown; stack?: unknown };
  return {
    timeUnixNano,
    name: "exception",
    attributes: attributes({
      "exception.type": typeof name === "string" ? name : undefined,
      "exception.message": messageOf(error),
      "exception.stacktrace": typeof stack === "string" ? stack : undefined,
    }),
  };
}

function messageOf(error: unknown): string {
  if (typeof error === "string") return error;
  const { message } = (error ?? {}) as { message?: unknown };
  return typeof message === "string" ? message : "";
}
