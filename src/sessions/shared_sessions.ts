/**
 * Sessions that daemons share over Redis.
 *
 * Redis decides who begins a session, who starts and who ends it. What is stored lies in the journals alone: each
 * daemon tells what it stored of a session as a whole, under its own name, so telling it twice, late or again after
 * Redis lost it changes nothing.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { WeirError } from "../base/errors.ts";
import type { Identity } from "../base/record.ts";
import type { ClaimCounts } from "./claim_counts.ts";
import type { ClaimAnswer } from "./claims.ts";
import type { Outbox } from "./outbox.ts";
import { readClaim } from "./redis_claims.ts";
import type { RedisAnswer, RedisLink } from "./redis_link.ts";
import type { Session } from "./session.ts";
import type { SessionBook, SessionSharing } from "./session_book.ts";
import { foldFromJson, mergeFolds, type SessionFold } from "./session_fold.ts";
import { type SessionOperations, startPendingMs } from "./session_operations.ts";
import type { SharedRows } from "./shared_rows.ts";
import type { Joining, WindowQuestions } from "./window_questions.ts";

/** A session ends so much later than it would alone: what others stored must have been told by then. */
export const tellingMs = 500;
/** A claim is not used when so little of its time is left: the unit must still come to the disk. */
const claimMarginMs = 1_000;
/** While nobody can be asked about its end, a session is looked at again after this. */
const awayRetryMs = 5_000;

/** What {@link SharedSessions} works with. */
export interface SharedSessionsOptions {
  readonly link: RedisLink;
  readonly outbox: Outbox;
  readonly operations: SessionOperations;
  readonly rows: SharedRows;
  readonly book: SessionBook;
  readonly onOutage: () => "continue" | "reject";
  readonly clock: Clock;
  readonly counts: ClaimCounts;
}

/** What the others say to the end of a session. */
export type ClosingAnswer =
  | {
    readonly state: "yours";
    readonly version: number;
    readonly fence: number;
    /** Time of the event that session_start stands for; undefined when none was written. */
    readonly startT: number | undefined;
    /** What all daemons stored of it. */
    readonly fold: SessionFold;
  }
  | { readonly state: "closed"; readonly version: number }
  | { readonly state: "later"; readonly dueAt: number };

/** Sessions of many daemons as one. */
export class SharedSessions implements SessionSharing {
  /** Their rows and replies. */
  readonly rows: SharedRows;
  readonly #options: SharedSessionsOptions;

  constructor(options: SharedSessionsOptions) {
    this.#options = options;
    this.rows = options.rows;
  }

  /** How much waits to be told. */
  get waiting(): number {
    return this.#options.outbox.waiting + this.rows.waiting;
  }

  /** Why no row can be taken at this moment, if so. */
  obstacle(): WeirError | undefined {
    if (this.#options.link.isUp || this.#options.onOutage() === "continue") return undefined;
    return new WeirError("claims_unavailable", "Redis is away; see /healthz");
  }

  mustAsk(session: Session, isLive: boolean): boolean {
    if (!this.#options.link.isUp) {
      session.isLocal = !session.hasStart;
      return false;
    }
    return isLive || !(session.hasStart || session.isLearned);
  }

  mayStart(session: Session): boolean {
    if (session.isLocal) return true;
    if (session.claim !== undefined) return session.claim.until > this.#options.clock.monotonic();
    session.isLocal = !this.#options.link.isUp;
    return session.isLocal;
  }

  stored(session: Session): void {
    this.#options.outbox.addSession(session);
  }

  started(session: Session): void {
    const { outbox, operations, counts } = this.#options;
    session.claim = undefined;
    if (!session.isLocal) counts.done(1);
    outbox.add(operations.started(session, session.isLocal ? "mark" : "done", session.startT));
  }

  storedIdentities(identities: readonly (Identity | undefined)[]): void {
    this.rows.stored(identities);
  }

  /**
   * Asks everything that some windows need to know, and claims rows along with it, in one round trip.
   * @param identities Of these rows; see {@link SharedRows.claim}.
   * @throws WeirError `claims_unavailable`
   */
  async learn(questions: WindowQuestions, identities: readonly Identity[] = []): Promise<void> {
    const { operations, outbox, onOutage } = this.#options;
    const joins = [...questions.joins];
    const begins = [...questions.begins];
    const asked = joins.length + begins.length;
    if (asked + identities.length === 0) return;
    let answers: RedisAnswer[];
    try {
      answers = await outbox.ask([
        ...joins.map(([owner, joining]) => operations.join(owner, joining)),
        ...begins.map((session) => operations.holdStart(session)),
        ...this.rows.holds(identities),
      ]);
    } catch (error) {
      if (onOutage() === "reject") throw error;
      for (const [, { candidate, latest }] of joins) this.#decideAlone(candidate, latest);
      for (const session of begins) this.#decideAlone(session);
      return;
    }
    joins.forEach(([, joining], i) => this.#joined(joining, answers[i]));
    begins.forEach((session, i) => this.#learned(session, readClaim(answers[joins.length + i])));
    await this.rows.claimed(identities, answers.slice(asked).map(readClaim));
  }

  /**
   * Asks whether these sessions may be ended here; one round trip.
   * @returns undefined for those about which nobody could be asked, and which are to be ended alone
   */
  async close(sessions: readonly Session[], isEarly: boolean): Promise<(ClosingAnswer | undefined)[]> {
    const { onOutage, operations, outbox, clock } = this.#options;
    let answers: RedisAnswer[];
    try {
      answers = await outbox.ask(sessions.flatMap((session) => [
        operations.publish(session),
        operations.close(session, isEarly),
      ]));
    } catch {
      const dueAt = clock.now() + awayRetryMs;
      return sessions.map(() => onOutage() === "reject" ? { state: "later", dueAt } : undefined);
    }
    return sessions.map((session, i) => closingAnswer(session, answers[2 * i + 1]));
  }

  /** The end of a session was stored here. */
  ended(session: Session, startT: number): void {
    const { outbox, operations } = this.#options;
    outbox.add(operations.closed(session));
    outbox.add(operations.started(session, "mark", startT));
  }

  /** The session was not ended after all. */
  notEnded(session: Session): void {
    this.#options.outbox.add(this.#options.operations.reopen(session));
  }

  /** Redis is there, for the first time or again: what was stored and decided meanwhile is to be told. */
  tellAll(): void {
    const { book, outbox, operations } = this.#options;
    for (const session of book.allOpen()) {
      outbox.addSession(session);
      if (session.hasStart && isFinite(session.startT)) {
        outbox.add(operations.started(session, "mark", session.startT));
      }
      session.isLocal = false;
    }
  }

  /** Tells what waits, if it can be told, and ends. */
  async stop(): Promise<void> {
    await this.#options.outbox.stop();
    this.#options.link.close();
  }

  #joined({ candidate, latest }: Joining, answer: RedisAnswer): void {
    const { book } = this.#options;
    const [id, ...start] = answer;
    const { project, deviceId } = candidate;
    const session = book.open({ id, project, deviceId });
    book.makeLive(session);
    session.seenT = Math.max(session.seenT, latest);
    this.#learned(session, readClaim(start));
  }

  #learned(session: Session, answer: ClaimAnswer): void {
    const { clock, counts } = this.#options;
    session.isLearned = true;
    session.isLocal = false;
    counts.answered([answer]);
    session.claim = answer.state === "taken"
      ? { fence: answer.fence, until: clock.monotonic() + startPendingMs - claimMarginMs }
      : undefined;
    if (answer.state === "done") session.hasStart = true;
  }

  #decideAlone(session: Session, latest?: number): void {
    session.isLocal = !session.hasStart;
    session.isLearned = true;
    if (latest === undefined) return;
    this.#options.book.makeLive(session);
    session.seenT = Math.max(session.seenT, latest);
  }
}

function closingAnswer(session: Session, answer: RedisAnswer): ClosingAnswer {
  const [state, first, fence, start, folds] = answer;
  if (state === "closed") return { state, version: Number(first) };
  if (state !== "yours") return { state: "later", dueAt: Number(first) };
  const others = Array.isArray(folds) ? folds.map((text: string) => foldFromJson(text)) : [];
  const fold = others.length === 0 ? session.fold : others.reduce(mergeFolds);
  const startT = start === "" ? undefined : Number(start);
  return { state, version: Number(first), fence: Number(fence), startT, fold };
}
