/**
 * GET `/v1/test-runs` and what lies below it: runs as of now, flushed or not.
 * @module
 */

import { ByteWriter } from "../../base/byte_writer.ts";
import { WeirError } from "../../base/errors.ts";
import { assumedIndexBytes } from "../../base/record.ts";
import type { ReadEvent, RunName, RunReader } from "../../flush/run_reader.ts";
import type { Inbound } from "../dialect.ts";

/** So many bytes are gathered before they are sent. */
const pieceBytes = 65_536;
const maxPage = 100;
const defaultPage = 50;

/** A page of runs, the youngest first. @throws WeirError `validation` */
export async function answerRuns({ url }: Inbound, project: string, runs: RunReader): Promise<Response> {
  const limit = numberOf(url, "limit", { fallback: defaultPage, min: 1, max: maxPage });
  const offset = numberOf(url, "offset", { fallback: 0, min: 0, max: Number.MAX_SAFE_INTEGER });
  const page = await runs.list(project, { limit, offset });
  return json({ ...page, limit, offset });
}

/** One run as a tree. @throws WeirError `not_found` */
export async function answerRun(name: RunName, runs: RunReader): Promise<Response> {
  const model = await runs.read(name);
  if (model === undefined) throw new WeirError("not_found", "There is no such run");
  return json(model);
}

/** The events of a run, one a line, in the order in which they were sent. @throws WeirError `not_found` */
export async function answerEvents(name: RunName, runs: RunReader): Promise<Response> {
  const events = runs.events(name);
  // Looked up before the reply begins, so that it can still be told that there is no such run.
  const first = await events.next();
  if (first.done) throw new WeirError("not_found", "There is no such run");
  return new Response(ReadableStream.from(writeLines(first.value, events)), {
    headers: { "content-type": "application/x-ndjson" },
  });
}

/** Does the client ask for a feed rather than for what is there? */
export function wantsFeed({ headers }: Inbound): boolean {
  return headers.get("accept")?.includes("text/event-stream") ?? false;
}

/** A whole number from the query. @throws WeirError `validation` */
export function numberOf(
  url: URL,
  name: string,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): number {
  const text = url.searchParams.get(name);
  if (text === null) return fallback;
  const number = Number(text);
  if (/^\d{1,16}$/.test(text) && number >= min && number <= max) return number;
  throw new WeirError("validation", `${name} must be a whole number from ${min} to ${max}`);
}

/** An event as clients see it: one whose sender does not count has the number of its arrival, from 1. */
export function seqOf({ event: { seq, n } }: ReadEvent): number {
  return seq ?? n + 1;
}

/** Bytes of `{"n":`, the number and the comma behind it, as they are stored. */
const numberBytes = 5 + assumedIndexBytes + 1;

/** The event's line; a `seq` is added where it has none. */
export function writeLine(out: ByteWriter, read: ReadEvent): void {
  const { event, bytes } = read;
  out.ascii(`{"n":${event.n},`);
  if (event.seq === undefined) out.ascii(`"seq":${seqOf(read)},`);
  out.raw(bytes, numberBytes);
}

async function* writeLines(
  first: ReadEvent,
  rest: AsyncGenerator<ReadEvent, void, undefined>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const out = new ByteWriter(2 * pieceBytes);
  try {
    writeLine(out, first);
    out.byte(0x0a);
    for await (const read of rest) {
      writeLine(out, read);
      out.byte(0x0a);
      if (out.length < pieceBytes) continue;
      yield out.view().slice();
      out.truncate(0);
    }
    yield out.view().slice();
  } finally {
    await rest.return();
  }
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value), {
    headers: { "content-type": "application/json; charset=utf-8" },
  });
}
