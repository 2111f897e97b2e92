/**
 * The rows that sessions give: session_start, session_end, and the session itself (contract `track`, Decision 7).
 * @module
 */

import { Buffer } from "node:buffer";
import { dayOf, rowPlace, type Unit } from "../base/record.ts";
import { rowId, type SessionName } from "./session.ts";
import type { Columns, SessionFold } from "./session_fold.ts";

/** session_start stands so long before the first event. */
export const startLeadMs = 100;
/** session_end stands so long after the last event. */
const endLagMs = 1_000;

const propertiesName = ',"properties":';

/** Columns of the first event that are the start's own, or would count twice. */
const notInStart = new Set([
  ...["kind", "project_id", "created_at", "id", "insert_id", "device_id", "session_id", "name", "revenue"],
  ...["version", "fence", "local", "properties"],
]);

/** What a row is written for. */
export interface RowOf {
  readonly session: SessionName;
  /** Higher than that of every row before with the same id. */
  readonly version: number;
  /** Number of the claim that allows it, where several daemons write; 0 elsewhere. */
  readonly fence: number;
  /** Was it decided while Redis was away? Others may have decided the same. */
  readonly isLocal?: boolean;
}

/** A stored line, read up to its properties. */
export interface ReadLine {
  readonly columns: Columns;
  /** JSON, as they were sent. */
  readonly properties: string;
}

/** Reads a stored event. Its properties are its last member, and no other member holds an object. */
export function readLine(line: Uint8Array): ReadLine {
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  const at = bytes.indexOf(propertiesName);
  if (at < 0) return { columns: JSON.parse(bytes.toString()) as Columns, properties: "{}" };
  const end = bytes.lastIndexOf("}");
  return {
    columns: JSON.parse(bytes.toString("utf8", 0, at) + "}") as Columns,
    properties: bytes.toString("utf8", at + propertiesName.length, end),
  };
}

/** The columns of a stored event, but for its properties. */
export function readColumns(line: Uint8Array): Columns {
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  const at = bytes.indexOf(propertiesName);
  return JSON.parse(at < 0 ? bytes.toString() : bytes.toString("utf8", 0, at) + "}") as Columns;
}

/** Of an event that is not its session's first, the fold asks for no other text. */
const movingColumns = [
  ...["profile_id", "path", "origin", "query"],
  ...["referrer", "referrer_name", "referrer_type"],
].map((name) => ({ name, bytes: new TextEncoder().encode(name) }));

const quote = 0x22, comma = 0x2c, backslash = 0x5c, openBracket = 0x5b, openBrace = 0x7b, closeBrace = 0x7d;

/**
 * The columns of a stored event that move its session on, which is asked of every event: at a fraction of what
 * {@link readColumns} costs, and all columns where one of them is no text.
 */
export function readMovingColumns(line: Uint8Array): Columns {
  const columns: Record<string, unknown> = {};
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  for (let at = 0; at < line.length && line[at] !== closeBrace;) {
    const nameStart = at + 2;
    const nameEnd = endOfText(line, nameStart);
    const start = nameEnd + 2;
    const first = line[start];
    if (first === openBrace) break;
    if (first === openBracket) return readColumns(line);
    if (first !== quote) {
      at = endOfWord(line, start);
      continue;
    }
    at = endOfText(line, start + 1) + 1;
    const name = movingName(line, nameStart, nameEnd);
    if (name !== undefined) columns[name] = textOf(bytes, start + 1, at - 1);
  }
  return columns;
}

function movingName(line: Uint8Array, start: number, end: number): string | undefined {
  for (const { name, bytes } of movingColumns) {
    if (bytes.length !== end - start) continue;
    let i = 0;
    while (i < bytes.length && line[start + i] === bytes[i]) i++;
    if (i === bytes.length) return name;
  }
  return undefined;
}

/** Where the quote is that ends a text. */
function endOfText(line: Uint8Array, start: number): number {
  let at = start;
  while (line[at] !== quote && at < line.length) at += line[at] === backslash ? 2 : 1;
  return at;
}

function endOfWord(line: Uint8Array, start: number): number {
  let at = start;
  while (line[at] !== comma && line[at] !== closeBrace && at < line.length) at++;
  return at;
}

function textOf(bytes: Buffer, start: number, end: number): string {
  let bits = 0;
  let isEscaped = false;
  for (let i = start; i < end; i++) {
    bits |= bytes[i];
    if (bytes[i] === backslash) isEscaped = true;
  }
  if (isEscaped) return JSON.parse(bytes.toString("utf8", start - 1, end + 1)) as string;
  return bytes.toString(bits < 0x80 ? "latin1" : "utf8", start, end);
}

/** Adds the session_start that goes before this event: a copy of it, but for what is the event's own. */
export function writeStart(of: RowOf, first: ReadLine & { time: number }, unit: Unit): void {
  const { columns, properties, time } = first;
  const rest = Object.fromEntries(Object.entries(columns).filter(([name]) => !notInStart.has(name)));
  const members = JSON.stringify(rest).slice(1, -1);
  writeEvent(of, { name: "session_start", time: time - startLeadMs }, unit);
  unit.writer.text(`${members && ","}${members},"properties":${properties}}`);
  finish("event", of, time - startLeadMs, unit);
}

/** Adds a session_start from what is known of the session, for when its first event was another than it seemed. */
export function writeLaterStart(of: RowOf, fold: SessionFold, unit: Unit): void {
  const time = fold.firstT - startLeadMs;
  writeEvent(of, { name: "session_start", time }, unit);
  unit.writer.text(
    profile(of.session, fold) + page("", fold.entry) + fold.columns + fold.referrer + ',"properties":{}}',
  );
  finish("event", of, time, unit);
}

/** Adds the session_end. */
export function writeEnd(of: RowOf, fold: SessionFold, unit: Unit): void {
  const time = fold.lastT + endLagMs;
  writeEvent(of, { name: "session_end", time }, unit);
  unit.writer.text(
    profile(of.session, fold) + page("", fold.exit) +
      `,"duration":${
        fold.lastT - fold.firstT
      },"event_count":${fold.events},"screen_view_count":${fold.views}` +
      `,"entry_path":${JSON.stringify(fold.entry.path)},"exit_path":${JSON.stringify(fold.exit.path)}` +
      `${fold.columns}${fold.referrer},"properties":{"__bounce":${isBounce(fold)}}}`,
  );
  finish("event", of, time, unit);
}

/** Adds the session's own row. */
export function writeSession(of: RowOf, fold: SessionFold, unit: Unit): void {
  unit.writer.text(sessionRow(of, fold));
  finish("session", of, fold.firstT, unit);
}

/** The session's own row, as JSON. */
export function sessionRow(of: RowOf, fold: SessionFold): string {
  const { session } = of;
  const groups = fold.groups.length > 0 ? `,"groups":${JSON.stringify(fold.groups)}` : "";
  return `{"kind":"session","project_id":${JSON.stringify(session.project)},"created_at":"${
    iso(fold.firstT)
  }","id":"${session.id}"${versions(of)},"device_id":${JSON.stringify(session.deviceId)}` +
    `${profile(session, fold)},"ended_at":"${iso(fold.lastT)}","duration":${fold.lastT - fold.firstT}` +
    `,"is_bounce":${isBounce(fold)},"event_count":${fold.events},"screen_view_count":${fold.views}` +
    `,"revenue":${fold.revenue}${page("entry_", fold.entry)}${page("exit_", fold.exit)}` +
    `${fold.columns}${fold.referrer}${fold.campaign}${groups}}`;
}

/** Of a session with at most one page. */
function isBounce({ views }: SessionFold): boolean {
  return views <= 1;
}

function writeEvent(
  of: RowOf,
  event: { name: "session_start" | "session_end"; time: number },
  unit: Unit,
): void {
  const { session } = of;
  unit.writer.text(
    `{"kind":"event","project_id":${JSON.stringify(session.project)},"created_at":"${
      iso(event.time)
    }","id":"${rowId(session.id, event.name)}","device_id":${
      JSON.stringify(session.deviceId)
    },"session_id":"${session.id}","name":"${event.name}"` +
      versions(of),
  );
}

function finish(kind: "event" | "session", { session }: RowOf, time: number, unit: Unit): void {
  unit.close(rowPlace(kind, session.project, dayOf(time)));
}

function versions({ version, fence, isLocal }: RowOf): string {
  return `,"version":${version}` + (fence > 0 ? `,"fence":${fence}` : "") + (isLocal ? ',"local":true' : "");
}

function profile(session: SessionName, fold: SessionFold): string {
  return `,"profile_id":${JSON.stringify(fold.profileId || session.deviceId)}`;
}

function page(prefix: string, { path, origin }: SessionFold["entry"]): string {
  return member(`${prefix}path`, path) + member(`${prefix}origin`, origin);
}

function member(name: string, value: string): string {
  return value === "" ? "" : `,"${name}":${JSON.stringify(value)}`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

/** Arrival of a stored event, ms since the epoch: its id begins with it (UUID version 7). */
export function arrivalOf({ id }: Columns): number {
  return typeof id === "string" ? parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : NaN;
}
