/**
 * The lines that rows of dialect `track` become. Computed columns come first; `properties` is last and is
 * copied byte for byte as it was sent, unless something must be taken out of it (contract, Decision 13).
 * @module
 */

import { dayOf, type Identity, type RowKind, rowPlace, type Unit } from "../../base/record.ts";
import { findMember } from "../../parse/member.ts";
import { pageColumns } from "./page.ts";
import type { TrackRow, TrackRowOf } from "./schema.ts";
import type { Sender } from "./sender.ts";
import type { Whereabouts } from "./whereabouts.ts";

/** Special properties that are never stored. */
const withheld = ["__ip", "__identify", "__bot", "__bot_reasons"] as const;

/** A checked row with all that was computed for it. */
export interface ReadyRow {
  readonly row: Exclude<TrackRow, { type: "alias" }>;
  /** The row's own bytes: `bytes[start, end)`. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly sender: Sender;
  readonly where: Whereabouts;
  /** Of the event, ms since the epoch. */
  readonly time: number;
  readonly id: string;
  readonly insertId: string | undefined;
  readonly identity: Identity | undefined;
}

/** Adds the record, or records, of a row to the unit. */
export function writeRow(ready: ReadyRow, unit: Unit): void {
  const { row } = ready;
  if (row.type === "track") return writeEvent(ready, row, unit);
  writeHead(ready, kindOf(row.type), unit);
  unit.writer.text(JSON.stringify(columnsOf(ready, row)).replace("{", ","));
  finish(ready, kindOf(row.type), unit);
}

function kindOf(type: Exclude<TrackRow["type"], "alias" | "track">): RowKind {
  if (type === "group" || type === "replay") return type;
  return "profile";
}

function writeHead(ready: ReadyRow, kind: RowKind, unit: Unit): void {
  const insertId = ready.insertId === undefined ? "" : `,"insert_id":${JSON.stringify(ready.insertId)}`;
  unit.writer.text(
    `{"kind":"${kind}","project_id":${JSON.stringify(ready.sender.project)},"created_at":"${
      new Date(ready.time).toISOString()
    }","id":"${ready.id}"${insertId},"device_id":${
      JSON.stringify(ready.where.deviceId)
    },"session_id":"${ready.where.sessionId}"`,
  );
}

function finish(ready: ReadyRow, kind: RowKind, unit: Unit): void {
  unit.close(rowPlace(kind, ready.sender.project, dayOf(ready.time)), ready.identity);
}

function writeEvent(ready: ReadyRow, row: TrackRowOf<"track">, unit: Unit): void {
  const { payload } = row;
  const properties = payload.properties ?? {};
  const identify = identityOf(properties.__identify);
  const profileId = identify?.profileId ?? payload.profileId ?? ready.where.deviceId;
  writeHead(ready, "event", unit);
  unit.writer.text(
    `,"name":${JSON.stringify(payload.name)},"profile_id":${JSON.stringify(profileId)}` +
      pageColumns(properties.__path ?? properties.path, properties.__referrer ?? properties.referrer) +
      revenueColumn(payload.name, properties) + ready.sender.columns +
      (payload.groups?.length ? `,"groups":${JSON.stringify(payload.groups)}` : "") + `,"properties":`,
  );
  writeProperties(ready, properties, payload.properties !== undefined, unit);
  unit.writer.ascii("}");
  finish(ready, "event", unit);
  if (identify !== undefined && Object.keys(identify.rest).length > 0) writeIdentify(ready, identify, unit);
}

/** `__identify` on an event is an identify of its own as well, when it says more than who it is. */
function writeIdentify(ready: ReadyRow, identify: EmbeddedIdentity, unit: Unit): void {
  writeHead(ready, "profile", unit);
  const columns = { op: "identify", profile_id: identify.profileId, ...profileColumns(identify.rest) };
  unit.writer.text(JSON.stringify(columns).replace("{", ","));
  finish(ready, "profile", unit);
}

interface EmbeddedIdentity {
  readonly profileId: string;
  readonly rest: Record<string, unknown>;
}

function identityOf(value: unknown): EmbeddedIdentity | undefined {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
  const { profileId, ...rest } = value as Record<string, unknown>;
  if (typeof profileId === "number") return { profileId: String(profileId), rest };
  return typeof profileId === "string" && profileId !== "" ? { profileId, rest } : undefined;
}

function revenueColumn(name: string, properties: Record<string, unknown>): string {
  return name === "revenue" && typeof properties.__revenue === "number"
    ? `,"revenue":${properties.__revenue}`
    : "";
}

function writeProperties(
  ready: ReadyRow,
  properties: Record<string, unknown>,
  sent: boolean,
  unit: Unit,
): void {
  if (!sent) return unit.writer.ascii("{}");
  if (withheld.some((name) => name in properties)) {
    const kept = Object.entries(properties).filter(([name]) =>
      !(withheld as readonly string[]).includes(name)
    );
    return unit.writer.text(JSON.stringify(Object.fromEntries(kept)));
  }
  const payload = findMember(ready.bytes, ready.start, ready.end, "payload")!;
  const span = findMember(ready.bytes, payload.start, payload.end, "properties")!;
  unit.writer.raw(ready.bytes, span.start, span.end);
}

function profileColumns(given: Record<string, unknown>): Record<string, unknown> {
  const { firstName, lastName, email, avatar, properties } = given;
  return { first_name: firstName, last_name: lastName, email, avatar, properties };
}

/** The columns of every row that is no event; members without a value are left out. */
function columnsOf(
  ready: ReadyRow,
  row: Exclude<ReadyRow["row"], { type: "track" }>,
): Record<string, unknown> {
  const { payload } = row;
  switch (row.type) {
    case "identify":
      return {
        op: "identify",
        profile_id: row.payload.profileId,
        ...profileColumns(payload as Record<string, unknown>),
      };
    case "increment":
    case "decrement":
      return {
        op: row.type,
        profile_id: row.payload.profileId,
        property: row.payload.property,
        value: row.payload.value,
      };
    case "assign_group":
      return {
        op: "assign_group",
        profile_id: row.payload.profileId ?? ready.where.deviceId,
        group_ids: row.payload.groupIds,
      };
    case "group":
      return {
        group_id: row.payload.id,
        type: row.payload.type,
        name: row.payload.name,
        properties: row.payload.properties ?? {},
      };
    case "replay":
      return { ...row.payload, sessionId: undefined };
  }
}
