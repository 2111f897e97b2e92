/**
 * What the catalog lists of a row that belongs to a session, from its line.
 * @module
 */

import type { NewSessionRow } from "../catalog/session_rows.ts";
import { JsonMembers } from "./json_members.ts";

const encoder = new TextEncoder();
const names = {
  app: encoder.encode("app"),
  sid: encoder.encode("sid"),
  rid: encoder.encode("rid"),
  t: encoder.encode("t"),
};

/**
 * The row with this line; undefined when it names no session.
 * @param offset Of the line, from the start of its part.
 */
export function sessionRowOf(line: Uint8Array, offset: number): NewSessionRow | undefined {
  let app = "", sid = "", rid: string | null = null;
  const members = new JsonMembers(line);
  // The daemon writes `t` behind these, and what the client sent behind that.
  while (members.next()) {
    if (members.is(names.app)) app = members.string();
    else if (members.is(names.sid)) sid = members.string();
    else if (members.is(names.rid)) rid = members.string() || null;
    else if (members.is(names.t)) return sid === "" ? undefined : newRow();
  }
  return undefined;

  function newRow(): NewSessionRow {
    return { app, sid, rid, t: members.number(), offset, length: line.length };
  }
}
