/**
 * Sessions, identities and salts that daemons share over Redis.
 *
 * Redis decides who begins a session, who starts and who ends it, and who stores a row with an identity. What is
 * stored lies in the journals alone: each daemon tells what it stored of a session as a whole, under its own name,
 * so telling it twice, late or again after Redis lost it changes nothing.
 * @module
 */

import { randomUUID } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { WeirError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import type { Identity, IdentityMemo, KeptReply } from "../base/record.ts";
import type { RedisAnswer, RedisLink } from "./redis_link.ts";
import type { RedisKey, RedisOperation } from "./redis_script.ts";
import type { SaltStore } from "./salts.ts";
import type { Session } from "./session.ts";
import type { SessionBook, SessionSharing } from "./session_book.ts";
import { foldFromJson, foldToJson, mergeFolds, type SessionFold } from "./session_fold.ts";
import { ownerOf, type WindowQuestions } from "./window_questions.ts";

/** How long a claim stays pending: longer than a unit takes from its window to the disk, mostly. */
const pendingMs = 10_000;
const identityPendingMs = 30_000;
const closingMs = 30_000;
/** A row that another daemon is storing is waited for so long. */
const waitMs = 5_000;
const pollMs = 50;
/** Time in which what was stored is gathered before it is told. */
const tellMs = 100;
/** A session ends so much later than it would alone: what others stored must have been told by then. */
export const tellingMs = 500;
/** Operations sent at once. */
const maxOperations = 5_000;
/** Operations kept for a Redis that is away; past it the oldest are forgotten. */
const maxWaiting = 200_000;

/** What {@link SharedSessions} works with. */
export interface SharedSessionsOptions {
  readonly link: RedisLink;
  readonly book: SessionBook;
  readonly salts: SaltStore;
  /** Name of this daemon; the same after a restart over the same data. */
  readonly daemonId: string;
  /** How long identities, and what is known of sessions, are kept. */
  readonly keepMs: () => number;
  readonly replyKeepMs: () => number;
  readonly saltKeepDays: () => number;
  readonly onOutage: () => "continue" | "reject";
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
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
  readonly #options: SharedSessionsOptions;
  /** Tells claims of this run from those of others; the same one may ask again. */
  readonly #token: string;
  /** Sessions of which more was stored than was told. */
  readonly #untold = new Set<Session>();
  /** Operations to be sent with the next question. */
  #outbox: RedisOperation[] = [];
  /** Identities that were stored while Redis was away. */
  #unmarked: { readonly key: string; readonly memo: string }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #telling: Promise<void> | undefined;
  #closed = false;

  constructor(options: SharedSessionsOptions) {
    this.#options = options;
    this.#token = `${options.daemonId}/${randomUUID()}`;
  }

  /** How much waits to be told. */
  get waiting(): number {
    return this.#outbox.length + this.#untold.size + this.#unmarked.length;
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
    this.#untold.add(session);
    this.#tellSoon();
  }

  started(session: Session): void {
    const { keepMs } = this.#options;
    const word = session.isLocal ? "mark" : "done";
    session.claim = undefined;
    this.#send({
      key: this.#startKey(session),
      words: [word, this.#token, keepMs(), String(session.startT)],
    });
  }

  /** Asks everything that a window needs to know, in one round trip. @throws WeirError `claims_unavailable` */
  async learn(questions: WindowQuestions): Promise<void> {
    if (questions.isEmpty) return;
    const { joins, begins } = questions;
    const asked = [...joins.entries()];
    const begun = [...begins];
    const operations = [
      ...asked.map(([owner, joining]): RedisOperation => this.#joinOf(owner, joining)),
      ...begun.map((session): RedisOperation => ({
        key: this.#startKey(session),
        words: ["hold", this.#token, pendingMs],
      })),
    ];
    let answers: RedisAnswer[];
    try {
      answers = await this.#run(operations);
    } catch (error) {
      if (this.#options.onOutage() === "reject") throw error;
      for (const { candidate, latest } of joins.values()) this.#decideAlone(candidate, latest);
      for (const session of begins) this.#decideAlone(session);
      return;
    }
    asked.forEach(([, joining], i) => this.#joined(joining, answers[i]));
    begun.forEach((session, i) => this.#learned(session, answers[asked.length + i]));
  }

  /**
   * Claims rows for this daemon; those that another one has stored are marked as repeats. One round trip, and more as
   * long as another daemon is storing any of them.
   * @throws WeirError `claims_unavailable`
   */
  async claimIdentities(identities: readonly Identity[]): Promise<void> {
    const until = this.#options.clock.monotonic() + waitMs;
    for (let waiting = identities; waiting.length > 0;) {
      let answers: RedisAnswer[];
      try {
        answers = await this.#run(waiting.map((identity) => this.#holdOf(identity)));
      } catch (error) {
        if (this.#options.onOutage() === "reject") throw error;
        return;
      }
      const pending: Identity[] = [];
      waiting.forEach((identity, i) => {
        const [state, , memo] = answers[i];
        if (state === "done") identity.first ??= JSON.parse(memo) as IdentityMemo;
        else if (state === "pending") pending.push(identity);
      });
      if (pending.length > 0) await this.#waitForOther(until);
      waiting = pending;
    }
  }

  /** Rows with these identities are stored: a repeat is told what was answered. */
  storedIdentities(identities: readonly (Identity | undefined)[]): void {
    for (const identity of identities) {
      if (identity !== undefined) this.#markStored(`i:${identity.key}`, JSON.stringify(identity.memo));
    }
  }

  /** Asks whether another daemon gave a reply to this Idempotency-Key; without one the key is this daemon's. */
  async holdReply(key: string): Promise<KeptReply | undefined> {
    const operation = {
      key: this.#options.link.lone(`k:${key}`),
      words: ["hold", this.#token, identityPendingMs],
    };
    for (const until = this.#options.clock.monotonic() + waitMs;;) {
      let answer: RedisAnswer;
      try {
        [answer] = await this.#run([operation]);
      } catch (error) {
        if (this.#options.onOutage() === "reject") throw error;
        return undefined;
      }
      if (answer[0] === "done") return JSON.parse(answer[2]) as KeptReply;
      if (answer[0] === "taken") return undefined;
      await this.#waitForOther(until);
    }
  }

  /** The reply to an Idempotency-Key is stored. */
  storedReply(key: string, reply: KeptReply): void {
    this.#markStored(`k:${key}`, JSON.stringify(reply), this.#options.replyKeepMs());
  }

  /** The request came to nothing: the next one with this key need not wait. */
  releaseReply(key: string): void {
    this.#send({ key: this.#options.link.lone(`k:${key}`), words: ["release", this.#token] });
  }

  /**
   * Asks whether these sessions may be ended here; one round trip.
   * @returns undefined for those about which nobody could be asked, and which are to be ended alone
   */
  async close(sessions: readonly Session[], isEarly: boolean): Promise<(ClosingAnswer | undefined)[]> {
    const { onOutage } = this.#options;
    const operations = sessions.flatMap((session) => [
      this.#publishOf(session),
      {
        key: this.#sessionKey(session),
        words: [
          ...["close", this.#token, session.version, closingMs],
          ...[this.#options.link.nameOf(this.#startKey(session)), isEarly ? 1 : 0],
        ],
      },
    ]);
    let answers: RedisAnswer[];
    try {
      answers = await this.#run(operations);
    } catch {
      const dueAt = this.#options.clock.now() + waitMs;
      return sessions.map(() => onOutage() === "reject" ? { state: "later", dueAt } : undefined);
    }
    return sessions.map((session, i): ClosingAnswer => {
      const [state, first, fence, start, folds] = answers[2 * i + 1];
      if (state === "closed") return { state, version: Number(first) };
      if (state !== "yours") return { state: "later", dueAt: Number(first) };
      const others = Array.isArray(folds) ? folds.map((text: string) => foldFromJson(text)) : [];
      const fold = others.length === 0 ? session.fold : others.reduce(mergeFolds);
      const startT = start === "" ? undefined : Number(start);
      return { state, version: Number(first), fence: Number(fence), startT, fold };
    });
  }

  /** The end of a session was stored here. */
  ended(session: Session, startT: number): void {
    const { keepMs } = this.#options;
    this.#send({
      key: this.#sessionKey(session),
      words: ["closed", this.#token, session.version, keepMs()],
    });
    const words = ["mark", this.#token, keepMs(), String(startT)];
    this.#send({ key: this.#startKey(session), words });
  }

  /** The session was not ended after all. */
  notEnded(session: Session): void {
    this.#send({ key: this.#sessionKey(session), words: ["reopen", this.#token] });
  }

  /**
   * Redis is there, for the first time or again: salts are agreed on, and it is told what was stored and decided
   * meanwhile.
   */
  async reconcile(): Promise<void> {
    await this.agreeOnSalts();
    const { book, link } = this.#options;
    for (const session of book.allOpen()) {
      this.#untold.add(session);
      if (session.hasStart && isFinite(session.startT)) {
        const words = ["mark", this.#token, this.#options.keepMs(), String(session.startT)];
        this.#outbox.push({ key: this.#startKey(session), words });
      }
      session.isLocal = false;
    }
    const marked = this.#unmarked;
    this.#unmarked = [];
    let repeats = 0;
    for (let i = 0; i < marked.length; i += maxOperations) {
      const some = marked.slice(i, i + maxOperations);
      const answers = await this.#run(some.map(({ key, memo }) => ({
        key: link.lone(key),
        words: ["mark", this.#token, this.#options.keepMs(), memo],
      })));
      repeats += answers.filter((answer) => answer === 1).length;
    }
    await this.tell();
    if (repeats > 0) {
      this.#options.log.warn("Rows were stored twice while Redis was away", { count: repeats });
    }
  }

  /** Takes over the salts of other daemons, and gives them those that they do not have. */
  async agreeOnSalts(): Promise<void> {
    const { salts, clock, link, saltKeepDays } = this.#options;
    const now = clock.now();
    const days = salts.days(now);
    const values = await this.#run(days.map(({ day, salt }) => ({
      key: link.key("salts", `salt:${day}`),
      words: ["agree", salt, (saltKeepDays() + 2) * 86_400_000],
    })));
    salts.adopt(days.map(({ day }, i) => ({ day, salt: String(values[i]) })));
  }

  /** Sends what waits. What cannot be sent waits on. */
  tell(): Promise<void> {
    this.#telling ??= this.#tell().finally(() => this.#telling = undefined);
    return this.#telling;
  }

  /** Sends what waits, if it can be sent, and ends. */
  async stop(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.tell().catch(() => undefined);
    this.#options.link.close();
  }

  async #tell(): Promise<void> {
    while (this.#untold.size + this.#outbox.length > 0 && this.#options.link.isUp) {
      const operations = this.#takeWaiting();
      try {
        await this.#options.link.run(operations);
      } catch (error) {
        this.#keep(operations);
        throw error;
      }
    }
  }

  /** The operations that wait, as many as may be sent at once. */
  #takeWaiting(): RedisOperation[] {
    const operations = this.#outbox.splice(0, maxOperations);
    for (const session of this.#untold) {
      if (operations.length >= maxOperations) break;
      this.#untold.delete(session);
      operations.push(this.#publishOf(session), ...this.#extendOf(session));
    }
    return operations;
  }

  #keep(operations: readonly RedisOperation[]): void {
    this.#outbox = [...operations, ...this.#outbox].slice(-maxWaiting);
  }

  /** What waits goes along with every question. */
  async #run(operations: readonly RedisOperation[]): Promise<RedisAnswer[]> {
    const waiting = this.#takeWaiting();
    try {
      const answers = await this.#options.link.run([...waiting, ...operations]);
      return answers.slice(waiting.length);
    } catch (error) {
      this.#keep(waiting);
      throw error;
    }
  }

  #send(operation: RedisOperation): void {
    this.#outbox.push(operation);
    if (this.#outbox.length > maxWaiting) this.#outbox.splice(0, maxOperations);
    this.#tellSoon();
  }

  #tellSoon(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // Whoever wants to know how it went looks at the link.
      this.tell().catch(() => undefined);
    }, tellMs);
    Deno.unrefTimer(this.#timer);
  }

  #joined({ candidate, latest }: { candidate: Session; latest: number }, answer: RedisAnswer): void {
    const { book } = this.#options;
    const [id, ...start] = answer;
    const { project, deviceId } = candidate;
    const session = book.open({ id, project, deviceId });
    book.makeLive(session);
    session.seenT = Math.max(session.seenT, latest);
    this.#learned(session, start);
  }

  #learned(session: Session, [state, fence, isTakenOver]: RedisAnswer): void {
    const { clock, metrics } = this.#options;
    session.isLearned = true;
    session.isLocal = false;
    const event = state !== "taken" ? "lost" : isTakenOver === 1 ? "taken_over" : "taken";
    metrics.counter("weir_claims_total").inc({ event });
    session.claim = state === "taken"
      ? { fence: Number(fence), until: clock.monotonic() + pendingMs - 1_000 }
      : undefined;
    if (state === "done") session.hasStart = true;
  }

  #decideAlone(session: Session, latest?: number): void {
    session.isLocal = !session.hasStart;
    session.isLearned = true;
    if (latest === undefined) return;
    this.#options.book.makeLive(session);
    session.seenT = Math.max(session.seenT, latest);
  }

  async #waitForOther(until: number): Promise<void> {
    if (this.#options.clock.monotonic() > until) {
      throw new WeirError("claims_unavailable", "Another daemon is storing the same rows; try again", {
        retryAfterS: 5,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }

  #markStored(key: string, memo: string, keepMs = this.#options.keepMs()): void {
    const { link } = this.#options;
    if (link.isUp) return this.#send({ key: link.lone(key), words: ["mark", this.#token, keepMs, memo] });
    this.#unmarked.push({ key, memo });
    if (this.#unmarked.length > maxWaiting) this.#unmarked.splice(0, maxOperations);
  }

  #joinOf(
    owner: string,
    { candidate, earliest, latest }: { candidate: Session; earliest: number; latest: number },
  ): RedisOperation {
    const { link, book } = this.#options;
    const startsOf = link.nameOf(link.key(owner, "start:"));
    return {
      key: link.key(owner, `live:${owner}`),
      words: [
        ...["join", earliest, latest, candidate.id, book.settings.timeoutMs],
        ...[startsOf, this.#token, pendingMs],
      ],
    };
  }

  #holdOf({ key }: Identity): RedisOperation {
    return { key: this.#options.link.lone(`i:${key}`), words: ["hold", this.#token, identityPendingMs] };
  }

  #publishOf(session: Session): RedisOperation {
    const { book, daemonId, keepMs } = this.#options;
    const dueAt = book.dueAt(session);
    const words = ["publish", daemonId, foldToJson(session.fold), dueAt, keepMs()];
    return { key: this.#sessionKey(session), words };
  }

  #extendOf(session: Session): RedisOperation[] {
    const { liveT } = session.fold;
    if (!isFinite(liveT)) return [];
    const owner = ownerOf(session);
    return [{ key: this.#options.link.key(owner, `live:${owner}`), words: ["extend", session.id, liveT] }];
  }

  #sessionKey(session: Session): RedisKey {
    return this.#options.link.key(ownerOf(session), `session:${session.id}`);
  }

  #startKey(session: Session): RedisKey {
    return this.#options.link.key(ownerOf(session), `start:${session.id}`);
  }
}
