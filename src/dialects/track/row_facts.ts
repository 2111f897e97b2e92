/**
 * What a row says of itself, beyond what its schema checks.
 * @module
 */

import { describeIssues, type TrackRow, trackRow } from "./schema.ts";
import type { Sender } from "./sender.ts";
import { explicitDevice, type Located } from "./whereabouts.ts";

/** What the schema has against a row; undefined when it fits. */
export function problemOf(value: unknown): string | undefined {
  const checked = trackRow.safeParse(value);
  return checked.success ? undefined : describeIssues(checked.error);
}

/** Its properties; none where it has no place for them. */
export function propertiesOf(row: TrackRow): Record<string, unknown> {
  return "properties" in row.payload ? row.payload.properties ?? {} : {};
}

/** Device and session of a row: what it names itself, or what follows from its sender and time. */
export function whereabouts(
  row: TrackRow,
  properties: Record<string, unknown>,
  at: { sender: Sender; time: number; arrivedAt: number },
): Located {
  const isTrack = row.type === "track";
  const located = at.sender.locate(at.time, at.arrivedAt, {
    explicit: isTrack ? explicitDevice(properties.__deviceId) : undefined,
    ip: isTrack && typeof properties.__ip === "string" ? properties.__ip : undefined,
    profileId: isTrack ? row.payload.profileId : undefined,
    isEvent: isTrack,
  });
  if (row.type !== "replay" || row.payload.sessionId === undefined) return located;
  return { ...located, where: { deviceId: located.where.deviceId, sessionId: row.payload.sessionId } };
}

/** What is wrong with the amount of a revenue event; undefined when nothing is, and for other rows. */
export function revenueProblem(row: TrackRow, properties: Record<string, unknown>): string | undefined {
  if (row.type !== "track" || row.payload.name !== "revenue" || properties.__revenue === undefined) {
    return undefined;
  }
  const revenue = properties.__revenue;
  const fits = typeof revenue === "number" && Number.isInteger(revenue) && revenue >= 0;
  return fits ? undefined : "body/payload/properties/__revenue must be an integer of at least 0";
}
