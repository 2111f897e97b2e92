/**
 * What the query of a list of requests asks for.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { ListKey } from "../../catalog/listed_requests.ts";
import type { RequestOverview, RequestQuery } from "../../flush/request_list.ts";

const defaultLimit = 100;
const maxLimit = 1_000;
const statusForm = /^[1-5](?:\d\d|xx)(?:,[1-5](?:\d\d|xx))*$/;
const names = [
  ...["action", "complete", "cursor", "from", "key", "limit", "method", "minDurMs", "order", "rid"],
  ...["session", "status", "to"],
];

/** How a list is asked for. */
export interface ListScope {
  readonly app: string;
  /** @default every session, or the one that the query names */
  readonly sid?: string;
  readonly order: "asc" | "desc";
}

/**
 * Reads the query.
 * @throws WeirError `invalid_query`
 */
export function requestQueryOf(query: URLSearchParams, scope: ListScope): RequestQuery {
  for (const name of query.keys()) {
    if (!names.includes(name)) {
      throw invalid(`There is no parameter ${JSON.stringify(name)}: known are ${names.join(", ")}`);
    }
  }
  const get = (name: string): string | undefined => query.get(name) ?? undefined;
  const order = get("order") ?? scope.order;
  if (order !== "asc" && order !== "desc") throw invalid("Parameter order must be asc or desc");
  const cursor = get("cursor");
  return {
    app: scope.app,
    sid: scope.sid ?? get("session"),
    rid: get("rid")?.trim() || undefined,
    order,
    after: cursor === undefined ? undefined : keyOfCursor(cursor),
    ...timesOf(query),
    limit: numberOf("limit", get("limit"), { fallback: defaultLimit, min: 1, max: maxLimit }),
    fits: filterOf(get),
  };
}

/**
 * The times that `from` and `to` give, ms since the epoch or ISO 8601: at or after `from`, and before `to`.
 * @throws WeirError `invalid_query`
 */
export function timesOf(query: URLSearchParams): { from: number; to: number } {
  const time = (name: string, fallback: number): number => {
    const text = query.get(name);
    if (text === null) return fallback;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Date.parse(text);
    if (Number.isFinite(value)) return value;
    throw invalid(`Parameter ${name} must be ms since the epoch, or a time such as 2026-11-20T12:00:00Z`);
  };
  return { from: time("from", 0), to: time("to", Number.MAX_SAFE_INTEGER) };
}

/** Where a page ended, as text that goes into an address. */
export function cursorOf({ t, sid, rid }: ListKey): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify([t, sid, rid]))))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function keyOfCursor(cursor: string): ListKey {
  try {
    const bytes = Uint8Array.from(
      atob(cursor.replaceAll("-", "+").replaceAll("_", "/")),
      (char) => char.charCodeAt(0),
    );
    const [t, sid, rid] = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof t === "number" && typeof sid === "string" && typeof rid === "string") return { t, sid, rid };
  } catch (cause) {
    throw invalid("Parameter cursor must be the `next` of another page", cause);
  }
  throw invalid("Parameter cursor must be the `next` of another page");
}

function filterOf(get: (name: string) => string | undefined): (request: RequestOverview) => boolean {
  const [method, key, action] = [get("method")?.toUpperCase(), get("key"), get("action")];
  const complete = flagOf("complete", get("complete"));
  const statuses = statusesOf(get("status"));
  const minDurMs = numberOf("minDurMs", get("minDurMs"), {
    fallback: -1,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
  });
  return ({ fields, complete: isComplete }) =>
    (method === undefined || String(fields.method ?? "").toUpperCase() === method) &&
    (key === undefined || fields.key === key) &&
    (action === undefined || fields.action_id === action) &&
    (complete === undefined || isComplete === complete) &&
    (statuses === undefined || statuses(fields.status)) &&
    (minDurMs < 0 || (typeof fields.dur_ms === "number" && fields.dur_ms >= minDurMs));
}

/** `404`, `5xx`, or several of them with commas between. */
function statusesOf(text: string | undefined): ((status: unknown) => boolean) | undefined {
  if (text === undefined) return undefined;
  if (!statusForm.test(text)) throw invalid("Parameter status must be such as 404, 5xx or 404,5xx");
  const wanted = text.split(",").map((each) => each.replace("xx", ""));
  return (status) => typeof status === "number" && wanted.some((each) => String(status).startsWith(each));
}

function flagOf(name: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (text === "true" || text === "false") return text === "true";
  throw invalid(`Parameter ${name} must be true or false`);
}

function numberOf(
  name: string,
  text: string | undefined,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): number {
  if (text === undefined) return fallback;
  const value = /^\d{1,16}(?:\.\d{1,6})?$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw invalid(`Parameter ${name} must be a number between ${min} and ${max}`);
}

function invalid(message: string, cause?: unknown): WeirError {
  return new WeirError("invalid_query", message, { cause });
}
