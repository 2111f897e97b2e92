/**
 * What holds for each line that dialect `track` makes.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type RowKind, rowPlace } from "../../../src/base/record.ts";
import { readRecords } from "../../../src/index/replay.ts";
import { type Posted } from "./post_track.ts";

/** What stands behind the last `"properties":` of a line, without the brace that ends the line. */
export function rawProperties(line: string): string {
  const name = '"properties":';
  return line.slice(line.indexOf(name) + name.length, -1);
}

/** Lines are what every reader of the journal and of the parts relies on. */
export function assertSound(posted: Posted): void {
  for (const { line, json, place, identity } of posted.records) {
    assert(!line.includes("\n") && !line.includes("\r"));
    assertEquals(Object.keys(json).slice(0, 4), ["kind", "project_id", "created_at", "id"], line);
    assert(
      line.startsWith(
        `{"kind":"${json.kind}","project_id":${JSON.stringify(json.project_id)},"created_at":"`,
      ),
    );
    assert(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(json.created_at as string));
    assert(place.family === "rows");
    const again = rowPlace(
      json.kind as RowKind,
      json.project_id as string,
      (json.created_at as string).slice(0, 10),
    );
    assertEquals(again.partition, place.partition);
    assertEquals(json.insert_id !== undefined, identity !== undefined);
  }
  // And as the daemon itself reads them back after a crash.
  const replayed = readRecords(posted.frame, "all");
  assertEquals(replayed.map(({ place }) => place), posted.records.map(({ place }) => place));
  assertEquals(
    replayed.map(({ identity }) => identity && { key: identity.key, memo: identity.memo }),
    posted.records.map(({ identity }) => identity && { key: identity.key, memo: identity.memo }),
  );
}
