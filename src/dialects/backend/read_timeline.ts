/**
 * GET `/v1/sessions/:sid/timeline`: everything of a session in the order of time, as flat `ticks` (contract `backend`, 1).
 * @module
 */

import { ByteWriter } from "../../base/byte_writer.ts";
import type { RequestList, RequestOverview } from "../../flush/request_list.ts";
import type { SessionRowReader, StoredRow } from "../../flush/session_row_reader.ts";
import { itemOf } from "./read_requests.ts";
import { pieceBytes, piecesOf, streamedReply } from "./reply_pieces.ts";

const requestsPerPage = 500;
const kindForm = /^\{"kind":"([a-z]+)"/;
const frontBytes = 40;

/** Where a session's ticks are looked for. */
export interface TimelineSources {
  readonly requestList: Pick<RequestList, "page">;
  readonly sessionRows: Pick<SessionRowReader, "rows">;
}

/** Which session, and which time of it: at or after `from`, and before `to`. */
export interface TimelineTarget {
  readonly app: string;
  readonly sid: string;
  readonly from: number;
  readonly to: number;
}

/** The reply, sent as it is made. */
export function answerTimeline(target: TimelineTarget, sources: TimelineSources): Response {
  return streamedReply(writeTimeline(target, sources));
}

async function* writeTimeline(
  target: TimelineTarget,
  sources: TimelineSources,
): AsyncGenerator<Uint8Array, void, undefined> {
  const out = new ByteWriter(2 * pieceBytes);
  out.text(`{"sessionId":${JSON.stringify(target.sid)},"ticks":[`);
  const requests = requestsOf(target, sources.requestList);
  let separator = "";
  let request = await requests.next();
  const writeRequests = async function* (until: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (; !request.done && request.value.firstT <= until; request = await requests.next()) {
      const tick = { t: request.value.firstT, type: "request", data: itemOf(request.value) };
      out.text(separator + JSON.stringify(tick));
      separator = ",\n";
      yield* piecesOf(out);
    }
  };
  for await (const row of sources.sessionRows.rows(target)) {
    if (row.t < target.from || row.t >= target.to) continue;
    yield* writeRequests(row.t);
    out.text(`${separator}{"t":${row.t},"type":"${kindOf(row)}","data":`);
    out.raw(row.line);
    out.ascii("}");
    separator = ",\n";
    yield* piecesOf(out);
  }
  yield* writeRequests(Infinity);
  out.ascii("]}");
  yield out.view();
}

async function* requestsOf(
  { app, sid, from, to }: TimelineTarget,
  list: TimelineSources["requestList"],
): AsyncGenerator<RequestOverview, void, undefined> {
  const query = { app, sid, from, to, order: "asc", limit: requestsPerPage, fits: () => true } as const;
  for (let page = await list.page(query);; page = await list.page({ ...query, after: page.next })) {
    yield* page.items;
    if (page.next === undefined) return;
  }
}

/** The daemon writes the kind first. */
function kindOf({ line }: StoredRow): string {
  return kindForm.exec(new TextDecoder().decode(line.subarray(0, frontBytes)))?.[1] ?? "row";
}
