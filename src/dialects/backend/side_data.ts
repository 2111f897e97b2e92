/**
 * Rows that come along with a request: changes of a database and mails (contract `backend`, 2.5 and 2.6).
 * @module
 */

import { createHash } from "node:crypto";
import { dayOf, identityKey, rowPlace, type Unit } from "../../base/record.ts";
import type { EntrySource } from "./entry_source.ts";
import { actionIdOf } from "./metadata.ts";
import type { Change, Entry, Mail } from "./schema.ts";
import type { Span } from "./spans.ts";
import { mendSurrogates } from "./surrogates.ts";

/** Members of a change that are copied as they were sent. */
const changeValues = [
  ["pk", "pk"],
  ["before", "before"],
  ["after", "after"],
  ["query", "query"],
  ["resultMeta", "result_meta"],
  ["error", "error"],
  ["spanContext", "span_context"],
] as const;
const changeDefaults = ["before", "after"];

const mailValues = [
  ["from", "from"],
  ["dynamicTemplateData", "dynamic_template_data"],
  ["customArgs", "custom_args"],
  ["headers", "headers"],
] as const;

const insertIdDigits = 32;
const nowhere = { deviceId: "", sessionId: "" };
