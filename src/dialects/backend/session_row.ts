/**
 * Rows that belong to a session: changes, mails, actions and recordings. Each begins with the columns that all of
 * them have; what was sent is copied behind.
 * @module
 */

import { createHash } from "node:crypto";
import { dayOf, identityKey, type RowKind, rowPlace, type Unit } from "../../base/record.ts";
import type { EntryScene, SentEntry } from "./entry_source.ts";
import type { Members } from "./schema.ts";
import type { Span } from "./spans.ts";
import { mendSurrogates } from "../surrogates.ts";

const insertIdDigits = 32;
/** Rows of this dialect belong to no device. */
const nowhere = { deviceId: "", sessionId: "" };

/** One row to be written. */
export interface SessionRowSource {
  /** The entry or event it came in. */
  readonly source: SentEntry & EntryScene;
  readonly kind: RowKind;
  readonly rid: string | undefined;
  readonly actionId: string | null | undefined;
  /** ms since the epoch; the arrival time stands for one that was not sent. */
  readonly sentT: number | undefined;
  /** The bytes that make the row what it is: the same ones again are the same row. */
  readonly sent: Span;
  readonly columns: Members;
  /** Member of `sent` and column that it is copied to. */
  readonly copied: readonly (readonly [name: string, column: string])[];
  /** A column that all of `sent` is copied to. @default none */
  readonly whole?: string;
}

/** Adds the row's record. */
export function writeSessionRow(row: SessionRowSource, unit: Unit): void {
  const { source, kind, rid, actionId, sentT, sent } = row;
  const { app, sid, ids, arrivedAt, position } = source;
  const t = sentT ?? arrivedAt;
  const start = unit.writer.length;
  const insertId = insertIdOf(row);
  const head = {
    ...{ kind, app, created_at: new Date(t).toISOString(), id: ids.next(), insert_id: insertId },
    ...{ sid, rid, action_id: actionId, t },
    ...row.columns,
  };
  unit.writer.text(JSON.stringify(head).slice(0, -1));
  const copy = (column: string, value: Span | undefined): void => {
    if (value === undefined) return;
    unit.writer.ascii(`,"${column}":`);
    unit.writer.raw(value.bytes, value.start, value.end);
  };
  for (const [name, column] of row.copied) copy(column, sent.member(name));
  if (row.whole !== undefined) copy(row.whole, sent);
  unit.writer.ascii("}");
  if (source.hasUnicodeEscape) mendSurrogates(unit.writer.view(), start, unit.writer.length);
  const identity = { key: identityKey("app", app, insertId), row: position, memo: nowhere };
  unit.close(rowPlace(kind, app, dayOf(t)), identity);
}

/** The same content, sent again for the same session, action and time, is the same row (contract, Decisions). */
function insertIdOf({ kind, source, actionId, sentT, sent }: SessionRowSource): string {
  const scope = JSON.stringify([kind, source.sid, actionId ?? null, sentT ?? null]);
  return createHash("sha256").update(scope).update(sent.view()).digest("hex").slice(0, insertIdDigits);
}
