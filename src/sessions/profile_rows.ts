/**
 * What sessions say of the profiles that their events name: an operation when the profile is first named, and one when
 * the session ends (contract `track`, 4.3; docs/adr/0009).
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { dayOf, rowPlace, type Unit } from "../base/record.ts";
import type { SessionName } from "./session.ts";
import { type Columns, deviceMembers, type SessionFold } from "./session_fold.ts";

/** Somebody was seen. */
interface Sighting {
  readonly session: SessionName;
  readonly profileId: string;
  /** Of the event, ms since the epoch. */
  readonly time: number;
  /** Arrival of the event, ms since the epoch: operations are ordered by it. */
  readonly arrivedAt: number;
  /** JSON members, each with a leading comma: device and place. */
  readonly members: string;
  readonly when: "first" | "last";
}

/** Adds the operation for the event that first names a profile; nothing where it names its device. */
export function writeFirstSeen(
  session: SessionName,
  event: { readonly columns: Columns; readonly arrivedAt: number },
  unit: Unit,
): void {
  const { columns, arrivedAt } = event;
  const time = Date.parse(String(columns.created_at));
  const profileId = String(columns.profile_id);
  writeSeen({ session, profileId, time, arrivedAt, members: deviceMembers(columns), when: "first" }, unit);
}

/** Adds the operation for the end of a session, where that says more than its beginning did. */
export function writeLastSeen(session: SessionName, fold: SessionFold, unit: Unit): void {
  if (fold.profileId === "" || fold.events + fold.views === 1) return;
  const { profileId, lastT: time, receivedAt: arrivedAt, columns: members } = fold;
  writeSeen({ session, profileId, time, arrivedAt, members, when: "last" }, unit);
}

/** A profile that is only a device's says nothing that the session's own row does not say. */
function writeSeen(of: Sighting, unit: Unit): void {
  const { session: { id, project, deviceId }, profileId, time, members } = of;
  if (profileId === deviceId) return;
  unit.writer.text(
    `{"kind":"operation","project_id":${JSON.stringify(project)},"created_at":"${
      new Date(time).toISOString()
    }","id":"${idOf(of)}","device_id":${
      JSON.stringify(deviceId)
    },"session_id":"${id}","op":"seen","profile_id":${JSON.stringify(profileId)}${members}}`,
  );
  unit.close(rowPlace("operation", project, dayOf(time)));
}

/** A UUID of version 7 that is made from what it stands for, so that the same row always gets the same one. */
function idOf({ session, arrivedAt, when }: Sighting): string {
  const bytes = Buffer.from(
    createHash("sha256").update(`seen_${when}:${session.id}`).digest().subarray(0, 16),
  );
  bytes.writeUIntBE(arrivedAt, 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
