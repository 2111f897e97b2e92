/**
 * Rows that come along with a request: changes of a database and mails (contract `backend`, 2.5 and 2.6).
 * @module
 */

import { createHash } from "node:crypto";
import { dayOf, identityKey, rowPlace, type Unit } from "../../base/record.ts";
import type { ReadyEntry } from "./entry_source.ts";
import { actionIdOf } from "./metadata.ts";
import { type Change, isObject, type Mail, type Members } from "./schema.ts";
import type { Span } from "./spans.ts";
import { mendSurrogates } from "./surrogates.ts";

/** Member and column of what is copied as it was sent. */
const changeValues = [
  ["pk", "pk"],
  ["before", "before"],
  ["after", "after"],
  ["query", "query"],
  ["resultMeta", "result_meta"],
  ["error", "error"],
  ["spanContext", "span_context"],
] as const;
const mailValues = [
  ["from", "from"],
  ["dynamicTemplateData", "dynamic_template_data"],
  ["customArgs", "custom_args"],
] as const;

const insertIdDigits = 32;
/** Rows of this dialect belong to no device. */
const nowhere = { deviceId: "", sessionId: "" };

/** Does the entry carry any change or mail? */
export function hasSideData({ entry }: ReadyEntry): boolean {
  return (entry.db ?? []).length > 0 || isObject(entry.email);
}

/** Adds a record for each change, and one for the mail. */
export function writeSideData(ready: ReadyEntry, unit: Unit): void {
  const { entry: { db, email }, span } = ready;
  db?.forEach((change, i) => {
    const sent = span.member("db")!.element(i);
    writeRow({ ready, kind: "change", sent, columns: changeColumns(change), copied: changeValues }, unit);
  });
  if (email) {
    const sent = span.member("email")!;
    writeRow({ ready, kind: "mail", sent, columns: mailColumns(email), copied: mailValues }, unit);
  }
}

interface SideRow {
  readonly ready: ReadyEntry;
  readonly kind: "change" | "mail";
  readonly sent: Span;
  readonly columns: Members;
  readonly copied: readonly (readonly [name: string, column: string])[];
}

function writeRow({ ready, kind, sent, columns, copied }: SideRow, unit: Unit): void {
  const { app, sid, rid, entry } = ready;
  const t = ready.sentT ?? ready.arrivedAt;
  const start = unit.writer.length;
  const insertId = insertIdOf(kind, sent, ready);
  const head = {
    kind,
    app,
    created_at: new Date(t).toISOString(),
    id: ready.ids.next(),
    insert_id: insertId,
    sid,
    rid,
    action_id: actionIdOf(entry),
    t,
    ...columns,
  };
  unit.writer.text(JSON.stringify(head).slice(0, -1));
  for (const [name, column] of copied) {
    const value = sent.member(name);
    if (value === undefined) continue;
    unit.writer.ascii(`,"${column}":`);
    unit.writer.raw(value.bytes, value.start, value.end);
  }
  unit.writer.ascii("}");
  if (ready.hasUnicodeEscape) mendSurrogates(unit.writer.view(), start, unit.writer.length);
  const identity = { key: identityKey("app", app, insertId), row: ready.position, memo: nowhere };
  unit.close(rowPlace(kind, app, dayOf(t)), identity);
}

/** The same content, sent again for the same session, action and time, is the same row (contract, Decisions). */
function insertIdOf(kind: string, sent: Span, { sid, sentT, entry }: ReadyEntry): string {
  const scope = JSON.stringify([kind, sid, actionIdOf(entry) ?? null, sentT ?? null]);
  return createHash("sha256").update(scope).update(sent.view()).digest("hex").slice(0, insertIdDigits);
}

function changeColumns(change: Change): Members {
  return {
    collection: change.collection ?? null,
    op: change.op ?? "update",
    dur_ms: numberOrNull(change.durMs),
    before: change.before === undefined ? null : undefined,
    after: change.after === undefined ? null : undefined,
  };
}

function mailColumns(mail: Mail): Members {
  return {
    provider: mail.provider ?? "sendgrid",
    mail_kind: mail.kind ?? "send",
    to: addresses(mail.to),
    cc: addresses(mail.cc),
    bcc: addresses(mail.bcc),
    subject: mail.subject ?? "",
    text: mail.text ?? null,
    html: mail.html ?? null,
    template_id: mail.templateId ?? null,
    custom_args: mail.customArgs === undefined ? null : undefined,
    categories: Array.isArray(mail.categories) ? mail.categories : [],
    attachments_meta: Array.isArray(mail.attachmentsMeta) ? mail.attachmentsMeta : [],
    status_code: numberOrNull(mail.statusCode),
    dur_ms: numberOrNull(mail.durMs),
    headers: isObject(mail.headers) ? mail.headers : {},
  };
}

/** A list as it is, a lone address as a list of one, nothing as an empty list. */
function addresses(value: unknown): unknown {
  return Array.isArray(value) ? value : value ? [value] : [];
}

function numberOrNull(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
