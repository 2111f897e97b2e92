/**
 * What is needed of an event's line to find it, without reading all of it.
 * @module
 */

import { Buffer } from "node:buffer";
import { JsonMembers } from "./json_members.ts";

/** Columns that every event has, the daemon's own; they stand in front. */
export interface RowFront {
  readonly createdAt: string;
  readonly id: string;
  readonly deviceId: string;
  readonly sessionId: string;
}

/** A string that stands for itself: ASCII without escapes. */
const plain = String.raw`"([^"\\\x80-\xff]*)"`;
const commonFront = new RegExp(
  `^\\{"kind":"event","project_id":"[^"\\\\]*","created_at":${plain},"id":${plain},` +
    `(?:"insert_id":"[^"\\\\]*",)?"device_id":${plain},"session_id":${plain}`,
);
/** Bytes within which the common front ends, if it is there. */
const frontBytes = 500;

const encoder = new TextEncoder();
const createdAt = encoder.encode("created_at");
const id = encoder.encode("id");
const deviceId = encoder.encode("device_id");
const sessionId = encoder.encode("session_id");

/** Reads the front of an event's line; what is not there is "". */
export function rowFront(line: Uint8Array): RowFront {
  const { buffer, byteOffset, length } = line;
  const front = Buffer.from(buffer as ArrayBuffer, byteOffset, Math.min(length, frontBytes)).toString(
    "latin1",
  );
  const match = commonFront.exec(front);
  if (match !== null) {
    return { createdAt: match[1], id: match[2], deviceId: match[3], sessionId: match[4] };
  }
  const found = { createdAt: "", id: "", deviceId: "", sessionId: "" };
  const members = new JsonMembers(line);
  for (let left = 4; left > 0 && members.next(); left--) {
    if (members.is(createdAt)) found.createdAt = members.string();
    else if (members.is(id)) found.id = members.string();
    else if (members.is(deviceId)) found.deviceId = members.string();
    else if (members.is(sessionId)) found.sessionId = members.string();
    else left++;
  }
  return found;
}
