/**
 * Lists of requests: GET `/v1/sessions/:sid/requests` and `/v1/requests`.
 * @module
 */

import type { RequestList, RequestOverview, RequestQuery } from "../../flush/request_list.ts";
import { cursorOf } from "./request_query.ts";

/** One page, with the cursor of the next. */
export async function answerRequests(query: RequestQuery, list: RequestList): Promise<Response> {
  const { items, next } = await list.page(query);
  return Response.json({ items: items.map(itemOf), next: next === undefined ? null : cursorOf(next) });
}

/** A request as lists tell it. */
export function itemOf(request: RequestOverview): Record<string, unknown> {
  const { sid, rid, fields, firstT, lastT, batches, total, missingCount, complete, replaced } = request;
  const { key = null, method = null, url = null, status = null } = fields;
  return {
    ...{ sessionId: sid, requestRid: rid, key, method, url, status },
    ...{ durMs: fields.dur_ms ?? null, actionId: fields.action_id ?? null, firstT, lastT, batches },
    total: total >= 0 ? total : undefined,
    ...{ missingCount, complete, replaced: replaced || undefined },
  };
}
