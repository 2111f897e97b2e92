/**
 * The lines that rows of dialect `track` become. Computed columns come first; `properties` is last and is
 * copied byte for byte as it was sent, unless something must be taken out of it (contract, Decision 13).
 * @module
 */

import { dayOf, type Identity, type RowKind, rowPlace, type Unit } from "../../base/record.ts";
import { copyWithout, findMember } from "../../parse/member.ts";
import type { Session } from "../../sessions/session.ts";
import { carryReferrer } from "./carried_referrer.ts";
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
  /** Of an event; undefined where it has none. */
  readonly session: Session | undefined;
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
  if (row.type === "identify") {
    unit.writer.truncate(unit.writer.length - 1);
    unit.writer.text(`${ready.sender.columnsWith({ ...row.payload.properties, __ip: undefined })}}`);
  }
  if (row.type === "identify" || row.type === "group") {
    // In place of the brace that ends the columns.
    unit.writer.truncate(unit.writer.length - 1);
    unit.writer.ascii(`,"properties":`);
    writeProperties(ready, row.payload.properties, unit);
    unit.writer.ascii("}");
  }
  finish(ready, kindOf(row.type), unit);
}

function kindOf(type: Exclude<TrackRow["type"], "alias" | "track">): RowKind {
  return type === "replay" ? type : "operation";
}

function writeHead(ready: ReadyRow, kind: RowKind, unit: Unit): void {
  const insertId = ready.insertId === undefined ? "" : `,"insert_id":${JSON.stringify(ready.insertId)}`;
  unit.writer.text(
    `{"kind":"${kind}","project_id":${JSON.stringify(ready.sender.project)},"created_at":"${
      new Date(ready.time).toISOString()
    }","id":"${ready.id}"${insertId},"device_id":${JSON.stringify(ready.where.deviceId)},"session_id":${
      JSON.stringify(ready.where.sessionId)
    }`,
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
      carryReferrer(
        pageColumns(properties.__path ?? properties.path, properties.__referrer ?? properties.referrer),
        ready.session,
      ) +
      revenueColumn(payload.name, properties) + ready.sender.columnsWith(properties) +
      (payload.groups?.length ? `,"groups":${JSON.stringify(payload.groups)}` : "") + `,"properties":`,
  );
  writeProperties(ready, payload.properties, unit);
  unit.writer.ascii("}");
  finish(ready, "event", unit);
  if (identify !== undefined && Object.keys(identify.rest).length > 0) writeIdentify(ready, identify, unit);
}

/** `__identify` on an event is an identify of its own as well, when it says more than who it is. */
function writeIdentify(ready: ReadyRow, identify: EmbeddedIdentity, unit: Unit): void {
  writeHead(ready, "operation", unit);
  const { rest, profileId } = identify;
  const columns = {
    op: "identify",
    profile_id: profileId,
    ...profileColumns(rest),
  };
  const { columns: device } = ready.sender;
  const properties = JSON.stringify(rest.properties ?? {});
  unit.writer.text(
    `${JSON.stringify(columns).replace("{", ",").slice(0, -1)}${device},"properties":${properties}}`,
  );
  finish(ready, "operation", unit);
}

/** What is left of an event that a bot sent: that it was there (contract `track`, 1.6). */
export function writeBot(
  { sender, where, time, id, path }: Pick<ReadyRow, "sender" | "where" | "time" | "id"> & { path: string },
  unit: Unit,
): void {
  const { name, type } = sender.guard!.bot!;
  const columns = {
    kind: "bot",
    project_id: sender.project,
    created_at: new Date(time).toISOString(),
    id,
    device_id: where.deviceId,
    name,
    type,
    path,
  };
  unit.writer.text(JSON.stringify(columns));
  unit.close(rowPlace("bot", sender.project, dayOf(time)));
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

/** As they were sent, numbers with all their digits, but for what is withheld. */
function writeProperties(
  { bytes, start, end }: ReadyRow,
  properties: Record<string, unknown> | undefined,
  unit: Unit,
): void {
  if (properties === undefined) return unit.writer.ascii("{}");
  const payload = findMember(bytes, start, end, "payload")!;
  const range = findMember(bytes, payload.start, payload.end, "properties")!;
  if (withheld.some((name) => Object.hasOwn(properties, name))) {
    return copyWithout(bytes, range, { keys: withheld, to: unit.writer });
  }
  unit.writer.raw(bytes, range.start, range.end);
}

function profileColumns(given: Record<string, unknown>): Record<string, unknown> {
  const { firstName, lastName, email, avatar } = given;
  return { first_name: firstName, last_name: lastName, email, avatar };
}

/** The columns of every row that is no event, but for its properties; members without a value are left out. */
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
        op: "group",
        group_id: row.payload.id,
        type: row.payload.type,
        name: row.payload.name,
      };
    case "replay":
      return { ...row.payload, sessionId: undefined };
  }
}
