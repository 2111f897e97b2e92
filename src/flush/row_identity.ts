/**
 * The identity of a row, from its line.
 * @module
 */

import { Buffer } from "node:buffer";
import { type Identity, identityKey, type RecordKind, recordKinds } from "../base/record.ts";
import { JsonMembers } from "./json_members.ts";

const encoder = new TextEncoder();
const names = {
  kind: encoder.encode("kind"),
  insertId: encoder.encode("insert_id"),
  project: encoder.encode("project_id"),
  app: encoder.encode("app"),
  device: encoder.encode("device_id"),
  session: encoder.encode("session_id"),
};
/** How many members are looked for: `project_id` and `app` are one. */
const wantedMembers = 5;

/** A string that stands for itself: ASCII without escapes. */
const plain = String.raw`"([^"\\\x80-\xff]*)"`;
/** The form in which nearly every line begins; looking for it costs a third of walking the members (measured). */
const commonFront = new RegExp(
  `^\\{"kind":"(\\w+)","(?:project_id|app)":${plain},"created_at":"[^"\\\\]*","id":"[^"\\\\]*",` +
    `"insert_id":${plain},"device_id":${plain},"session_id":${plain}`,
);
/** Bytes within which the common front ends, if it is there. */
const frontBytes = 400;

/** What is to be remembered of a row. */
export type RowIdentity = Pick<Identity, "key" | "memo">;

/** The identity of the row with this line; undefined when it has none. */
export function rowIdentity(line: Uint8Array): RowIdentity | undefined {
  const { buffer, byteOffset, length } = line;
  const front = Buffer.from(buffer as ArrayBuffer, byteOffset, Math.min(length, frontBytes)).toString(
    "latin1",
  );
  const match = commonFront.exec(front);
  if (match === null) return identityAmongMembers(line);
  const [, kind, owner, insertId, deviceId, sessionId] = match;
  return identityOf(kind, { owner, insertId, deviceId, sessionId });
}

function identityAmongMembers(line: Uint8Array): RowIdentity | undefined {
  let kind = "", owner = "", insertId = "", deviceId = "", sessionId = "";
  const members = new JsonMembers(line);
  // The daemon writes them first, so what the client sent is mostly not looked at.
  for (let found = 0; found < wantedMembers && members.next(); found++) {
    if (members.is(names.kind)) kind = members.string();
    else if (members.is(names.insertId)) insertId = members.string();
    else if (members.is(names.project) || members.is(names.app)) owner = members.string();
    else if (members.is(names.device)) deviceId = members.string();
    else if (members.is(names.session)) sessionId = members.string();
    else found--;
  }
  return identityOf(kind, { owner, insertId, deviceId, sessionId });
}

function identityOf(
  kind: string,
  found: { owner: string; insertId: string; deviceId: string; sessionId: string },
): RowIdentity | undefined {
  const { owner, insertId, deviceId, sessionId } = found;
  const family = recordKinds[kind as RecordKind];
  if (insertId === "" || family === undefined || family.owner === "") return undefined;
  return { key: identityKey(family.owner, owner, insertId), memo: { deviceId, sessionId } };
}
