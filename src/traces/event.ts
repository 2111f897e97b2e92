/**
 * One event of a trace, whichever client sent it (contract `backend`, section 4).
 * @module
 */

/** What an event says; members that were not sent, or are of another type, are undefined. */
export interface TraceEvent {
  /** `mark` is neither the begin nor the end of a call. */
  readonly type: "enter" | "exit" | "mark";
  /** ms since the epoch, or since the begin of the trace; coarse, and no order. */
  readonly t: number | undefined;
  readonly fn: string | undefined;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly functionType: string | undefined;
  /** From 1. */
  readonly depth: number | undefined;
  readonly spanId: SpanId | undefined;
  /** Null where the client says that the call has no caller. */
  readonly parentSpanId: SpanId | null | undefined;
  readonly args: unknown;
  readonly returnValue: unknown;
  readonly error: unknown;
  readonly threw: boolean;
  /** Did nobody wait for its end? */
  readonly unawaited: boolean;
  /** The word of `type` or `kind`, as it was sent. */
  readonly word: string | undefined;
}

/** The number that a client gave a call. */
export type SpanId = number | string;

const nothing: Readonly<Record<string, unknown>> = {};

/** Reads an event; what is no object becomes a mark that says nothing. */
export function traceEventOf(value: unknown): TraceEvent {
  const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
  const sent = isObject ? value as Record<string, unknown> : nothing;
  // Early clients call it `kind`.
  const word = textOf(sent.type) ?? textOf(sent.kind);
  return {
    type: word === "enter" || word === "exit" ? word : "mark",
    t: numberOf(sent.t),
    fn: textOf(sent.fn),
    file: textOf(sent.file),
    line: numberOf(sent.line),
    functionType: textOf(sent.functionType),
    depth: numberOf(sent.depth),
    spanId: spanIdOf(sent.spanId) ?? undefined,
    parentSpanId: spanIdOf(sent.parentSpanId),
    args: sent.args,
    returnValue: sent.returnValue,
    error: sent.error ?? undefined,
    threw: sent.threw === true,
    unawaited: sent.unawaited === true,
    word,
  };
}

function spanIdOf(value: unknown): SpanId | null | undefined {
  if (value === null) return null;
  return numberOf(value) ?? textOf(value);
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
