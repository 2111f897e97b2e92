/**
 * Removes what nobody needs any longer: parts and what lies in quarantine by age and by bytes,
 * identities and replies by age. Runs in the
 * flush worker, beside no flush.
 * @module
 */

import { dayOf } from "../base/record.ts";
import type { AgedPart, CheckpointWriter } from "../catalog/checkpoint.ts";
import { limitQuarantine, type QuarantineLimits, type QuarantineReport } from "./quarantine_limits.ts";
import { removeFiles } from "./remove_files.ts";

const dayMs = 86_400_000;
/** Parts taken off the list in one transaction. */
const partsPerStep = 1000;

/** How long things are kept. */
export interface RetentionLimits {
  /** Parts older than this are removed; 0 keeps them. */
  readonly maxAgeMs: number;
  /** The oldest parts are removed until all together are no larger; 0 keeps them. */
  readonly maxBytes: number;
  /** How long the identity of a row is remembered. */
  readonly identityKeepMs: number;
  /** How long a reply is kept. */
  readonly replyKeepMs: number;
  readonly quarantine: QuarantineLimits;
}

/** What was removed. */
export interface RetentionReport {
  /** Parts, by reason. */
  readonly age: number;
  readonly bytes: number;
  /** Days of identities. */
  readonly identityDays: number;
  readonly replies: number;
  readonly sessions: number;
  readonly quarantine: QuarantineReport;
}

/**
 * Removes what the limits do not keep. A part leaves the catalog before it leaves the disk: after a crash between
 * the two it is a file that nobody lists, and those are removed at the next start.
 *
 * @param now Wall clock, ms since the epoch.
 */
export function applyRetention(
  limits: RetentionLimits,
  now: number,
  { dataDir, writer }: { dataDir: string; writer: CheckpointWriter },
): RetentionReport {
  const { aged, excess } = choose(limits, now, writer);
  const parts = [...aged, ...excess];
  for (let i = 0; i < parts.length; i += partsPerStep) {
    const step = parts.slice(i, i + partsPerStep);
    inTransaction(writer, now, () => step.forEach(({ id }) => writer.removePart(id)));
    removeFiles(dataDir, step.map(({ path }) => path));
  }
  const forgotten = inTransaction(writer, now, () => ({
    identityDays: writer.forgetIdentities(dayOf(Math.max(0, now - limits.identityKeepMs))),
    replies: writer.forgetReplies(now - limits.replyKeepMs),
    // Whatever comes for a session comes within the time in which a repeat of it is recognised.
    sessions: writer.forgetSessions(now - limits.identityKeepMs),
  }));
  const quarantine = limitQuarantine(limits.quarantine, now, dataDir);
  return { age: aged.length, bytes: excess.length, ...forgotten, quarantine };
}

/** The parts to remove, oldest first. */
function choose(
  { maxAgeMs, maxBytes }: RetentionLimits,
  now: number,
  writer: CheckpointWriter,
): { aged: AgedPart[]; excess: AgedPart[] } {
  const aged: AgedPart[] = [], excess: AgedPart[] = [];
  if (maxAgeMs === 0 && maxBytes === 0) return { aged, excess };
  let bytes = writer.totalBytes();
  for (const part of writer.partsByAge()) {
    if (maxAgeMs > 0 && now - ageFrom(part) > maxAgeMs) aged.push(part);
    else if (maxBytes > 0 && bytes > maxBytes) excess.push(part);
    else continue;
    bytes -= part.bytes;
  }
  return { aged, excess };
}

/**
 * From when on a part's age counts: from the end of its day, or from when it was written if that is later, so that
 * rows which come late are not removed at once.
 */
function ageFrom({ day, writtenAt }: AgedPart): number {
  return Math.max(writtenAt, Date.parse(day) + dayMs);
}

function inTransaction<T>(writer: CheckpointWriter, now: number, run: () => T): T {
  writer.begin(now);
  try {
    const result = run();
    writer.commitAsIs();
    return result;
  } catch (error) {
    writer.rollback();
    throw error;
  }
}
