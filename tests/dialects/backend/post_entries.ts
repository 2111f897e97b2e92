/**
 * Posts bodies to the dialect alone: real parsing, real records, no daemon.
 * @module
 */

import { IdSource } from "../../../src/base/ids.ts";
import { Outcomes } from "../../../src/base/outcome.ts";
import { type Place, type TracePlace, Unit } from "../../../src/base/record.ts";
import { BackendIngest } from "../../../src/dialects/backend/apply.ts";
import type { EntryScene } from "../../../src/dialects/backend/entry_source.ts";
import { JsonRows } from "../../../src/parse/json_rows.ts";

/** When everything arrives that {@link postBody} posts. */
export const arrivedAt = Date.UTC(2026, 10, 20);

/** One record that came of a body. */
export interface PostedRecord {
  readonly line: string;
  readonly json: Record<string, unknown>;
  readonly place: Place;
  /** Its identity, if it has one. */
  readonly key: string | undefined;
}

/** What a body led to. */
export interface Posted {
  readonly status: number;
  // deno-lint-ignore no-explicit-any -- tests look into replies of many shapes
  readonly reply: any;
  readonly records: PostedRecord[];
  of(kind: string): PostedRecord[];
}

/** The scene of app `shop`, session `S1`. */
export function sceneOf(changed: Partial<EntryScene> = {}): EntryScene {
  const ids = new IdSource({ now: () => arrivedAt, monotonic: () => 0 });
  return { app: "shop", sid: "S1", arrivedAt, ids, maxDepth: 20, maxItems: 10, ...changed };
}

/** Posts entries, as JSON. */
export function postEntries(entries: unknown[], changed?: Partial<EntryScene>): Posted {
  return postBody(JSON.stringify({ entries }), changed);
}

/**
 * Posts a body as it is.
 * @throws WeirError for a body that is refused as a whole
 */
export function postBody(body: string, changed?: Partial<EntryScene>): Posted {
  const ingest = new BackendIngest(sceneOf(changed));
  const wide = 1 << 20;
  const rows = new JsonRows({
    rowsKey: "entries",
    limits: {
      maxRows: 100,
      maxRowBytes: wide,
      maxDepth: 128,
      maxEnvelopeBytes: wide,
      maxBodyBytes: wide,
      windowRows: 50,
      windowBytes: wide,
    },
  });
  const unit = new Unit();
  const outcomes = new Outcomes();
  const take = (window: Parameters<BackendIngest["take"]>[0]): void => {
    ingest.take(window, unit, outcomes);
    window.settle();
  };
  for (const window of rows.push(new TextEncoder().encode(body))) take(window);
  for (const window of rows.finish()) take(window);
  ingest.close({ envelope: rows.envelope, rowsKey: rows.rowsKey });
  ingest.admit();
  const { status, body: reply } = ingest.reply(outcomes);
  const records = recordsOf(unit);
  return {
    status,
    reply: JSON.parse(reply),
    records,
    of: (kind) => records.filter(({ json }) => json.kind === kind),
  };
}

/** The batches of a post: request id, index as the index of requests gets it, total, and events. */
export function batchesOf(posted: Posted): { rid: string; index: number; total: number; events: unknown }[] {
  return posted.of("batch").map(({ json, place }) => {
    const { rid, index, total } = place as TracePlace;
    return { rid, index, total, events: json.events };
  });
}

function recordsOf(unit: Unit): PostedRecord[] {
  return unit.places.map((place, i) => {
    const line = new TextDecoder().decode(unit.writer.view(unit.starts[i], unit.end(i)));
    // The room for an index that is given later is no JSON until it is filled.
    const json = JSON.parse(line.replace(/"index": {10},/, `"index":null,`));
    return { line, json, place, key: unit.identities[i]?.key };
  });
}
