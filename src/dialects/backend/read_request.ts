/**
 * GET `/v1/sessions/:sid/requests/:rid`: one request, with everything that belongs to it and all events joined; or one
 * of its exports. The reply is sent as it is made, so its size does not matter.
 * @module
 */

import { ByteWriter } from "../../base/byte_writer.ts";
import { WeirError } from "../../base/errors.ts";
import type { SessionRowReader, StoredRow } from "../../flush/session_row_reader.ts";
import type { StoredRequest, TraceReader } from "../../flush/trace_reader.ts";
import { exportFormats, type ExportName } from "../../traces/exports.ts";
import { pieceBytes, piecesOf, streamedReply } from "./reply_pieces.ts";

/** Columns that are called otherwise on the wire. */
const wireNames: Readonly<Record<string, string>> = {
  action_id: "actionId",
  dur_ms: "durMs",
  resp_body: "respBody",
  entry_point: "entryPoint",
};
/** Kinds of rows, by the member of the reply that lists them. */
const rowMembers = { changes: "change", mails: "mail", actions: "action" } as const;
/** Rows of one request are held; more than this of them are left to the timeline. */
const maxRows = 10_000;

/** Where a request is looked for. */
export interface RequestSources {
  readonly traces: Pick<TraceReader, "readRequest">;
  readonly sessionRows: Pick<SessionRowReader, "rows">;
}

/** Which request. */
export interface RequestTarget {
  readonly app: string;
  readonly sid: string;
  readonly rid: string;
  /** Undefined for Weir's own. */
  readonly format: string | undefined;
}

/** @throws WeirError `invalid_query`, `not_found` */
export async function answerRequest(target: RequestTarget, sources: RequestSources): Promise<Response> {
  const { format } = target;
  if (format !== undefined && !Object.hasOwn(exportFormats, format)) {
    const known = Object.keys(exportFormats).join(", ");
    throw new WeirError("invalid_query", `Parameter format must be one of ${known}`);
  }
  const request = await sources.traces.readRequest(target);
  if (request === undefined) throw new WeirError("not_found", "There is no such request in this session");
  if (format !== undefined) {
    const { contentType, write } = exportFormats[format as ExportName];
    return streamedReply(write(request), contentType);
  }
  const rows: StoredRow[] = [];
  for await (const row of sources.sessionRows.rows(target)) {
    if (rows.push(row) === maxRows) break;
  }
  return streamedReply(writeRequest(request, rows));
}

async function* writeRequest(
  request: StoredRequest,
  rows: readonly StoredRow[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const out = new ByteWriter(2 * pieceBytes);
  out.text(JSON.stringify(headOf(request)).slice(0, -1));
  const decoder = new TextDecoder();
  const parsed = rows.map(({ line }) => JSON.parse(decoder.decode(line)));
  for (const [member, kind] of Object.entries(rowMembers)) {
    out.text(`,"${member}":${JSON.stringify(parsed.filter((row) => row.kind === kind))}`);
  }
  out.text(`,"events":`);
  for await (const piece of request.events()) {
    out.raw(piece);
    yield* piecesOf(out);
  }
  out.ascii("}");
  yield out.view();
}

function headOf(request: StoredRequest): Record<string, unknown> {
  const { sid, rid, fields, firstT, lastT, batches, total, missing, missingCount, complete, replaced } =
    request;
  const assumed = batches.filter((batch) => batch.assumed).map(({ index }) => index);
  return {
    ...{ sessionId: sid, requestRid: rid },
    request: Object.fromEntries(
      Object.entries(fields).map(([column, value]) => [wireNames[column] ?? column, value]),
    ),
    ...{ firstT, lastT, batches: batches.length },
    total: total >= 0 ? total : undefined,
    ...{ missing, missingCount, complete, replaced },
    indexAssumed: assumed.length > 0 ? assumed : undefined,
  };
}
