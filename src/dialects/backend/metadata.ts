/**
 * Metadata of a request (contract `backend`, 2.1): what an entry says of it, as columns.
 * @module
 */

import type { ByteWriter } from "../../base/byte_writer.ts";
import { type Entry, isObject, type Members } from "./schema.ts";
import type { Span } from "./spans.ts";

/** One of them in `request` makes it metadata; without any it only carries a trace. */
const metadataNames = [
  ...["method", "url", "path", "status", "durMs", "headers", "key", "respBody"],
  ...["body", "params", "query", "entryPoint"],
] as const;

const texts = [["method", "method"], ["key", "key"]] as const;
const numbers = [["status", "status"], ["durMs", "dur_ms"]] as const;
const values = [["respBody", "resp_body"], ["body", "body"], ["params", "params"], [
  "query",
  "query",
]] as const;

/** Does `request` say anything of the request itself? */
export function describesRequest({ request }: Entry): boolean {
  return request != null && metadataNames.some((name) => Object.hasOwn(request, name));
}

/**
 * Writes the columns as one JSON object. A member that is absent or of the wrong type is left out, which leaves
 * alone what is stored; null is written, which clears it.
 * @param span The entry's own bytes.
 */
export function writeFields(writer: ByteWriter, entry: Entry, span: Pick<Span, "member">): void {
  const own = JSON.stringify(columnsOf(entry)).slice(0, -1);
  let separator = own === "{" ? "" : ",";
  writer.text(own);
  const copy = (column: string, name: string): void => {
    writer.ascii(`${separator}"${column}":`);
    const { bytes, start, end } = span.member("request")!.member(name)!;
    writer.raw(bytes, start, end);
    separator = ",";
  };
  const request = entry.request ?? {};
  if (isObject(request.headers)) copy("headers", "headers");
  for (const [name, column] of values) if (request[name] !== undefined) copy(column, name);
  writer.ascii("}");
}

/** The columns whose values are written anew. */
function columnsOf(entry: Entry): Record<string, unknown> {
  const columns: Record<string, unknown> = {};
  if (entry.actionId !== undefined) columns.action_id = actionIdOf(entry);
  const { request } = entry;
  if (!request) return columns;
  for (const [name, column] of texts) put(columns, column, request[name], isText);
  put(columns, "url", request.url === undefined ? request.path ?? undefined : request.url, isText);
  for (const [name, column] of numbers) put(columns, column, request[name], Number.isFinite);
  if (request.headers === null) columns.headers = {};
  const entryPoint = request.entryPoint === undefined ? entry.entryPoint : request.entryPoint;
  put(columns, "entry_point", entryPointOf(entryPoint), isObject);
  return columns;
}

/** The action of an entry: trimmed text, null where it is null or blank, undefined where none was sent. */
export function actionIdOf({ actionId }: Entry): string | null | undefined {
  return actionId === undefined || actionId === null ? actionId : String(actionId).trim() || null;
}

function put(
  columns: Record<string, unknown>,
  column: string,
  value: unknown,
  fits: (value: unknown) => boolean,
): void {
  if (value === null || fits(value)) columns[column] = value;
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

/** Where in the code the request was handled; undefined when nothing of use was sent. */
function entryPointOf(value: unknown): Members | null | undefined {
  if (!isObject(value)) return value === null ? null : undefined;
  const point: Record<string, unknown> = {};
  for (const name of ["fn", "file", "functionType"] as const) {
    const text = value[name];
    if (typeof text === "string" && text.trim() !== "") point[name] = text.trim();
  }
  if (Number.isFinite(value.line)) point.line = Math.floor(value.line as number);
  return Object.keys(point).length > 0 ? point : undefined;
}
