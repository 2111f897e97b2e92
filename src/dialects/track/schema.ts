/**
 * The rows of dialect `track` (contract `track`, 1.4). Unknown keys are allowed everywhere: what is used is
 * checked, the rest is not looked at.
 * @module
 */

import { z } from "zod";
import { eventNameProblem } from "./event_name.ts";

const plainObject = z.custom<Record<string, unknown>>(
  (value) => value !== null && typeof value === "object" && !Array.isArray(value),
  "Invalid input: expected record",
);
const text = z.string().min(1);
/** Integers past 2^53 have lost digits when they arrive here: two different ones may have become the same. */
const number = z.number().refine(
  (value) => !Number.isInteger(value) || Number.isSafeInteger(value),
  "Invalid input: expected a number with all its digits kept; send it as a string",
);
const profileId = z.union([text, number]).transform(String);
const insertId = z.union([z.string().min(1).max(256), number]).transform(String).optional();
/** Texts of at least one character. Only the first one that is none is told: there may be millions. */
const texts = z.custom<string[]>(Array.isArray, "Invalid input: expected array").superRefine(
  (list, context) => {
    const wrong = Array.isArray(list)
      ? list.findIndex((item) => typeof item !== "string" || item === "")
      : -1;
    if (wrong < 0) return;
    const message = list[wrong] === ""
      ? "Too small: expected string to have >=1 characters"
      : "Invalid input: expected string";
    context.addIssue({ code: "custom", path: [wrong], message });
  },
);
const groups = texts.nullish();

const track = z.object({
  name: text.superRefine((name, context) => {
    const problem = eventNameProblem(name);
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  }),
  properties: plainObject.optional(),
  profileId: profileId.optional(),
  groups,
  insertId,
  messageId: insertId,
});

const identify = z.object({
  profileId,
  firstName: z.string().optional(),
  lastName: z.string().optional(),
  email: z.email().optional(),
  avatar: z.url().optional(),
  properties: plainObject.optional(),
});

/** Names with dots between them; more of them, or longer ones, would only make a profile hard to read. */
const propertyPath = text.max(256).refine(
  (path) => path.split(".").length <= 16,
  "Invalid input: expected at most 16 names",
);

const step = z.object({
  profileId,
  property: propertyPath,
  value: z.number().positive().default(1),
  properties: plainObject.optional(),
});

const group = z.object({ id: text, type: text, name: text, properties: plainObject.optional() });

const assignGroup = z.object({
  groupIds: texts,
  profileId: profileId.optional(),
  properties: plainObject.optional(),
});

const replay = z.object({
  chunk_index: z.int().min(0).max(65_535),
  events_count: z.int().min(1),
  is_full_snapshot: z.boolean(),
  started_at: z.iso.datetime(),
  ended_at: z.iso.datetime(),
  payload: z.string().max(2 * 1024 * 1024),
  sessionId: z.string().max(64).optional(),
});

const row = <T extends string, P extends z.ZodType>(
  type: T,
  payload: P,
): z.ZodObject<{
  type: z.ZodLiteral<T>;
  payload: P;
  insertId: typeof insertId;
  messageId: typeof insertId;
}> => z.object({ type: z.literal(type), payload, insertId, messageId: insertId });

/** One row: an event or one of its kin. */
export const trackRow = z.discriminatedUnion("type", [
  row("track", track),
  row("identify", identify),
  row("increment", step),
  row("decrement", step),
  row("alias", z.object({ profileId, alias: text })),
  row("group", group),
  row("assign_group", assignGroup),
  row("replay", replay),
]);

/** A row that fits the schema. */
export type TrackRow = z.output<typeof trackRow>;
/** A row of one type. */
export type TrackRowOf<T extends TrackRow["type"]> = Extract<TrackRow, { type: T }>;

/** What the schema said, in the form that OpenPanel's server uses: `body/payload/name Too small: ...`. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .map((issue) => `body${issue.path.map((key) => `/${String(key)}`).join("")} ${issue.message}`)
    .join(", ");
}
