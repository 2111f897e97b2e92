/**
 * GET `/v1/sessions/:sid/traces`: what is stored of a session, in the form of the original (contract `backend`, 3.6
 * and Decisions). The events are copied from where they lie, never parsed, and the reply is sent as it is made.
 * @module
 */

import { ByteWriter } from "../../base/byte_writer.ts";
import type { StoredRequest, TraceReader } from "../../flush/trace_reader.ts";
import { pieceBytes, piecesOf, streamedReply } from "./reply_pieces.ts";

/** Columns that say something of the request itself; the action alone does not make a request known. */
const actionColumn = "action_id";

/** The requests of a session, grouped by their keys. */
export async function answerTraces(
  { app, sid }: { app: string; sid: string },
  traces: Pick<TraceReader, "readTraces" | "readRequest">,
): Promise<Response> {
  // Looked up before the reply begins, so that a failure can still be told by its status.
  const groups = await groupByKey(traces.readTraces(app, sid));
  const read = (rid: string): Promise<StoredRequest | undefined> => traces.readRequest({ app, sid, rid });
  return streamedReply(writeSession(sid, groups, read));
}

/** Request ids by key, in the order in which the keys first came. Only these stay in memory. */
async function groupByKey(requests: AsyncIterable<StoredRequest>): Promise<Map<string | null, string[]>> {
  const groups = new Map<string | null, string[]>();
  for await (const { rid, fields } of requests) {
    const key = typeof fields.key === "string" ? fields.key : null;
    const group = groups.get(key);
    if (group) group.push(rid);
    else groups.set(key, [rid]);
  }
  return groups;
}

async function* writeSession(
  sid: string,
  groups: Map<string | null, string[]>,
  read: (rid: string) => Promise<StoredRequest | undefined>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const out = new ByteWriter(2 * pieceBytes);
  out.text(`{"sessionId":${JSON.stringify(sid)},"items":[`);
  let groupComma = "";
  for (const [key, rids] of groups) {
    out.text(`${groupComma}{"key":${JSON.stringify(key)},"traces":[`);
    groupComma = ",";
    let traceComma = "";
    for (const rid of rids) {
      const request = await read(rid);
      if (request === undefined) continue;
      out.ascii(traceComma);
      traceComma = ",";
      yield* writeTrace(request, out);
      yield* piecesOf(out);
    }
    out.ascii("]}");
  }
  out.ascii("]}");
  yield out.view();
}

/** Writes one request; yields whenever enough has gathered. */
async function* writeTrace(
  request: StoredRequest,
  out: ByteWriter,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { rid, batches } = request;
  out.text(JSON.stringify(summaryOf(request)).slice(0, -1) + `,"batches":[`);
  let batchComma = "";
  for (const batch of batches) {
    const { index, assumed } = batch;
    const head = { traceId: `${rid}:${index}`, batchIndex: index, indexAssumed: assumed || undefined };
    out.text(batchComma + JSON.stringify(head).slice(0, -1) + `,"trace":`);
    batchComma = ",";
    for await (const piece of request.batchEvents(batch)) {
      out.raw(piece);
      yield* piecesOf(out);
    }
    out.ascii("}");
  }
  out.ascii("]}");
}

function summaryOf(request: StoredRequest): Record<string, unknown> {
  const { rid, fields, total, missing, missingCount, complete, replaced } = request;
  const isKnown = Object.keys(fields).some((name) => name !== actionColumn);
  const { key = null, dur_ms: durMs = null, status = null } = fields;
  return {
    requestRid: rid,
    request: isKnown ? { key, durMs, status } : null,
    missing,
    missingCount: missingCount > missing.length ? missingCount : undefined,
    complete,
    total: total >= 0 ? total : undefined,
    replaced: replaced || undefined,
  };
}
