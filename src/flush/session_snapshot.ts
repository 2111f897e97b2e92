/**
 * What a rebuild of the catalog learns of sessions from their rows: enough for late events to go on from there.
 * @module
 */

import type { SessionSnapshot } from "../index/plan.ts";

type Columns = Readonly<Record<string, unknown>>;

const decoder = new TextDecoder();
const startMark = '"name":"session_start"';
/** The mark stands behind what the daemon writes first. */
const frontBytes = 600;
/** session_start stands so long before the first event (contract `track`, Decision 7). */
const startLeadMs = 100;
const ownColumns = new Set([
  ...["kind", "project_id", "created_at", "id", "version", "fence", "local", "device_id", "profile_id"],
  ...["ended_at", "duration", "is_bounce", "event_count", "screen_view_count", "revenue", "groups"],
  ...["entry_path", "entry_origin", "exit_path", "exit_origin"],
]);

/** The state that a row of data/sessions, or a session_start, tells of; undefined for every other line. */
export function snapshotOf(line: Uint8Array, folder: string): SessionSnapshot | undefined {
  if (folder === "sessions") return ofSession(JSON.parse(decoder.decode(line)) as Columns);
  if (folder !== "events") return undefined;
  if (!decoder.decode(line.subarray(0, frontBytes)).includes(startMark)) return undefined;
  return ofStart(JSON.parse(decoder.decode(line)) as Columns);
}

/** It has ended. */
function ofSession(row: Columns): SessionSnapshot {
  const [firstT, lastT] = [timeOf(row.created_at), timeOf(row.ended_at)];
  const isReferrer = (name: string): boolean => name.startsWith("referrer");
  const isCampaign = (name: string): boolean => name.startsWith("utm_");
  const fold = {
    ...{ firstT, lastT, receivedAt: lastT, events: row.event_count, views: row.screen_view_count },
    ...{ revenue: row.revenue, groups: row.groups },
    columns: membersOf(row, (name) => !ownColumns.has(name) && !isReferrer(name) && !isCampaign(name)) || " ",
    ...{ referrer: membersOf(row, isReferrer), campaign: membersOf(row, isCampaign) },
    ...(row.profile_id === row.device_id ? {} : { profileId: row.profile_id, profileAt: lastT }),
    ...(row.entry_path === undefined ? {} : {
      ...{ entryT: firstT, entry: { path: row.entry_path, origin: row.entry_origin ?? "" } },
      ...{ exitT: lastT, exit: { path: row.exit_path, origin: row.exit_origin ?? "" } },
    }),
  };
  return snapshot(row, { id: String(row.id), receivedAt: lastT, version: row.version, startT: firstT, fold });
}

/** It was started, and nothing else is known of it. */
function ofStart(row: Columns): SessionSnapshot | undefined {
  if (row.name !== "session_start" || typeof row.session_id !== "string") return undefined;
  const startT = timeOf(row.created_at) + startLeadMs;
  return snapshot(row, { id: row.session_id, receivedAt: startT, version: 0, startT, fold: {} });
}

function snapshot(
  row: Columns,
  of: { id: string; receivedAt: number; version: unknown; startT: number; fold: unknown },
): SessionSnapshot {
  const { id, receivedAt, version, startT, fold } = of;
  const state = JSON.stringify({ project: row.project_id, deviceId: row.device_id, version, startT, fold });
  return { id, isOpen: false, receivedAt, through: { segment: -1, offset: -1 }, state };
}

/** JSON members, each with a leading comma. */
function membersOf(row: Columns, isWanted: (name: string) => boolean): string {
  const wanted = Object.entries(row).filter(([name]) => isWanted(name));
  return wanted.map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`).join("");
}

function timeOf(value: unknown): number {
  return typeof value === "string" ? Date.parse(value) : NaN;
}
