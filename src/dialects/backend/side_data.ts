/**
 * Rows that come along with a request: changes of a database and mails (contract `backend`, 2.5 and 2.6).
 * @module
 */

import type { Unit } from "../../base/record.ts";
import type { ReadyEntry } from "./entry_source.ts";
import { actionIdOf } from "./metadata.ts";
import { type Change, isObject, type Mail, type Members } from "./schema.ts";
import { writeSessionRow } from "./session_row.ts";

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

/** Does the entry carry any change or mail? */
export function hasSideData({ entry }: ReadyEntry): boolean {
  return (entry.db ?? []).length > 0 || isObject(entry.email);
}

/** Adds a record for each change, and one for the mail. */
export function writeSideData(ready: ReadyEntry, unit: Unit): void {
  const { entry: { db, email }, span } = ready;
  const common = { source: ready, rid: ready.rid, actionId: actionIdOf(ready.entry), sentT: ready.sentT };
  db?.forEach((change, i) => {
    const sent = span.member("db")!.element(i);
    const columns = changeColumns(change);
    writeSessionRow({ ...common, kind: "change", sent, columns, copied: changeValues }, unit);
  });
  if (email) {
    const sent = span.member("email")!;
    writeSessionRow({ ...common, kind: "mail", sent, columns: mailColumns(email), copied: mailValues }, unit);
  }
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
