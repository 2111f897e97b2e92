/**
 * One session in memory.
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { IdentityMemo } from "../base/record.ts";
import type { SessionSnapshot } from "../index/plan.ts";
import type { JournalPosition } from "../journal/segment.ts";
import { emptyFold, foldFromJson, foldToJson, type SessionFold } from "./session_fold.ts";

/** Whose session it is, and which. */
export interface SessionName {
  readonly id: string;
  readonly project: string;
  readonly deviceId: string;
}

/** The right to write a session_start. */
export interface StartClaim {
  readonly fence: number;
  /** Until when it is ours alone, monotonic ms. */
  readonly until: number;
}

/** Before everything in the journal. */
const nowhere: JournalPosition = { segment: -1, offset: -1 };

/**
 * A session: what its stored events come to, and what is on its way.
 *
 * - `fold`, `version`, `isOpen`, `startT` and `through` follow from stored rows alone.
 * - Everything else is of this process, and nothing is lost with it.
 */
export class Session implements SessionName {
  readonly id: string;
  readonly project: string;
  readonly deviceId: string;
  /** What replies to its events carry. */
  readonly where: IdentityMemo;
  fold: SessionFold = emptyFold();
  /** Of the last session row written; 0 before the first. */
  version = 0;
  /** Did events come since the last session row? */
  isOpen = false;
  /** Time of the event that the stored session_start stands for; not finite where none is stored. */
  startT = Infinity;
  /** The last frame that is in all of the above. */
  through: JournalPosition = nowhere;

  /** Was a session_start written, or is it on its way, or somebody else's to write? */
  hasStart = false;
  /** Was it said that the profile was seen which its events name, or is that on its way? */
  isNamed = false;
  /** Units on their way to the journal that hold events of it. */
  pending = 0;
  /** Is its session_start on its way to the journal? */
  isStarting = false;
  /** Is its end on its way to the journal? */
  isClosing = false;
  /** Was it forgotten here? Then the catalog has it. */
  isGone = false;
  /** Do live events of its device come here? */
  isLive = false;
  /** The latest live event that was sent here, stored or not. */
  seenT = -Infinity;
  /** Referrer columns for events that have none of their own: JSON members, each with a leading comma. */
  referrer = "";
  /** Shared sessions: the right to write its session_start, while it is ours. */
  claim: StartClaim | undefined;
  /** Shared sessions: was it decided who starts it? */
  isLearned = false;
  /** Shared sessions: was it decided without the others, because Redis was away? */
  isLocal = false;
  /** When the reaper looks at it, in s since the epoch; 0 where it does not. */
  dueS = 0;

  constructor({ id, project, deviceId }: SessionName) {
    this.id = id;
    this.project = project;
    this.deviceId = deviceId;
    this.where = { deviceId, sessionId: id };
  }

  /** Does a live event at this time belong here? It does until a gap of `timeoutMs`. */
  takesLive(time: number, timeoutMs: number): boolean {
    return this.isLive && time - this.seenT <= timeoutMs;
  }

  /** Its state for the catalog. */
  snapshot(): SessionSnapshot {
    const { project, deviceId, version, startT } = this;
    const rest = { project, deviceId, version, startT: isFinite(startT) ? startT : undefined };
    return {
      id: this.id,
      isOpen: this.isOpen,
      receivedAt: isFinite(this.fold.receivedAt) ? this.fold.receivedAt : 0,
      through: this.through,
      state: `${JSON.stringify(rest).slice(0, -1)},"fold":${foldToJson(this.fold)}}`,
    };
  }

  /** The session that {@link snapshot} wrote. @throws SyntaxError */
  static from(snapshot: SessionSnapshot): Session {
    const { project, deviceId, version, startT = Infinity, fold } = JSON.parse(snapshot.state) as {
      project: string;
      deviceId: string;
      version: number;
      startT?: number;
      fold: unknown;
    };
    const session = new Session({ id: snapshot.id, project, deviceId });
    session.fold = foldFromJson(JSON.stringify(fold));
    Object.assign(session, { version, startT, isOpen: snapshot.isOpen, through: snapshot.through });
    session.hasStart = isFinite(startT);
    session.referrer = session.fold.referrer;
    session.seenT = session.fold.liveT;
    return session;
  }
}

/** A UUID made from the session's id and a word: the same row always gets the same one (RFC 9562, version 8). */
export function rowId(sessionId: string, word: "session_start" | "session_end"): string {
  const bytes = Buffer.from(createHash("sha256").update(`${word}:${sessionId}`).digest().subarray(0, 16));
  bytes[6] = (bytes[6] & 0x0f) | 0x80;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
