/**
 * Rows with an identity, and requests with an Idempotency-Key, that one of several daemons stores.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { WeirError } from "../base/errors.ts";
import type { Identity, IdentityMemo, KeptReply } from "../base/record.ts";
import type { ClaimCounts } from "./claim_counts.ts";
import type { ClaimAnswer, ClaimRequest, Claims } from "./claims.ts";
import { maxOperations, maxWaiting, type Outbox } from "./outbox.ts";
import { markOperation, releaseOperation, takeOperation } from "./redis_claims.ts";
import type { RedisLink } from "./redis_link.ts";
import type { RedisOperation } from "./redis_script.ts";

/** How long a claim stays pending. */
const pendingMs = 30_000;
/** What another daemon is storing is waited for so long. */
const waitMs = 5_000;
const pollMs = 50;

/** What {@link SharedRows} works with. */
export interface SharedRowsOptions {
  readonly link: RedisLink;
  readonly outbox: Outbox;
  /** Asked where nothing else is asked along with them. */
  readonly claims: Claims;
  /** Tells claims of this run from those of others; the same one may ask again. */
  readonly token: string;
  /** How long identities are kept. */
  readonly keepMs: () => number;
  readonly replyKeepMs: () => number;
  readonly onOutage: () => "continue" | "reject";
  readonly clock: Clock;
  readonly counts: ClaimCounts;
}

/** Claims of rows and replies. */
export class SharedRows {
  readonly #options: SharedRowsOptions;
  /** What was stored while Redis was away. */
  #unmarked: { readonly key: string; readonly memo: string }[] = [];

  constructor(options: SharedRowsOptions) {
    this.#options = options;
  }

  /** How much waits for a Redis that is away. */
  get waiting(): number {
    return this.#unmarked.length;
  }

  /**
   * Claims rows for this daemon; those that another one has stored are marked as repeats. One round trip, and more as
   * long as another daemon is storing any of them.
   * @throws WeirError `claims_unavailable`
   */
  async claim(identities: readonly Identity[]): Promise<void> {
    const answers = await this.#take(identities.map(rowKey));
    if (answers !== undefined) await this.claimed(identities, answers);
  }

  /** The questions of {@link claim}, for who asks something else as well. */
  holds(identities: readonly Identity[]): RedisOperation[] {
    const { link, token } = this.#options;
    const request = { token, pendingMs };
    return identities.map((identity) => takeOperation(link.lone(rowKey(identity)), request));
  }

  /**
   * What was answered to {@link holds}.
   * @throws WeirError `claims_unavailable`
   */
  async claimed(identities: readonly Identity[], answers: readonly ClaimAnswer[]): Promise<void> {
    const until = this.#options.clock.monotonic() + waitMs;
    let pending = this.#settle(identities, answers);
    while (pending.length > 0) {
      await this.#waitForOther(until);
      const found = await this.#take(pending.map(rowKey));
      if (found === undefined) return;
      pending = this.#settle(pending, found);
    }
  }

  /** Rows with these identities are stored: a repeat is told what was answered. */
  stored(identities: readonly (Identity | undefined)[]): void {
    let count = 0;
    for (const identity of identities) {
      if (identity === undefined) continue;
      this.#mark(rowKey(identity), JSON.stringify(identity.memo));
      count++;
    }
    if (this.#options.link.isUp) this.#options.counts.done(count);
  }

  /** Asks whether another daemon gave a reply to this Idempotency-Key; without one the key is this daemon's. */
  async holdReply(key: string): Promise<KeptReply | undefined> {
    for (const until = this.#options.clock.monotonic() + waitMs;;) {
      const answers = await this.#take([replyKey(key)]);
      if (answers === undefined) return undefined;
      const [answer] = answers;
      if (answer.state !== "pending") this.#options.counts.answered(answers);
      if (answer.state === "done") return JSON.parse(answer.memo) as KeptReply;
      if (answer.state === "taken") return undefined;
      await this.#waitForOther(until);
    }
  }

  /** The reply to an Idempotency-Key is stored. */
  storedReply(key: string, reply: KeptReply): void {
    this.#mark(replyKey(key), JSON.stringify(reply), this.#options.replyKeepMs());
    if (this.#options.link.isUp) this.#options.counts.done(1);
  }

  /** The request came to nothing: the next one with this key need not wait. */
  releaseReply(key: string): void {
    const { link, outbox, token } = this.#options;
    outbox.add(releaseOperation(link.lone(replyKey(key)), token));
  }

  /**
   * Redis is there again: it is told what was stored meanwhile.
   * @returns how many of these rows another daemon has stored as well
   */
  async reconcile(): Promise<number> {
    const { claims, token, keepMs } = this.#options;
    let repeats = 0;
    while (this.#unmarked.length > 0) {
      const some = this.#unmarked.slice(0, maxOperations);
      const wereDone = await claims.mark(some.map((row) => ({ ...row, token, keepMs: keepMs() })));
      this.#unmarked = this.#unmarked.slice(some.length);
      repeats += wereDone.filter(Boolean).length;
    }
    return repeats;
  }

  /** Marks and counts what is decided. @returns those that another daemon is storing */
  #settle(identities: readonly Identity[], answers: readonly ClaimAnswer[]): Identity[] {
    this.#options.counts.answered(answers.filter(({ state }) => state !== "pending"));
    return pendingOf(identities, answers);
  }

  /** @returns undefined where nobody could be asked, and this daemon decides alone */
  async #take(keys: readonly string[]): Promise<ClaimAnswer[] | undefined> {
    const { claims, token } = this.#options;
    try {
      return await claims.take(keys.map((key): ClaimRequest => ({ key, token, pendingMs })));
    } catch (error) {
      if (this.#options.onOutage() === "reject") throw error;
      return undefined;
    }
  }

  #mark(key: string, memo: string, keepMs = this.#options.keepMs()): void {
    const { link, outbox, token } = this.#options;
    if (link.isUp) return outbox.add(markOperation(link.lone(key), { token, keepMs, memo }));
    this.#unmarked.push({ key, memo });
    if (this.#unmarked.length > maxWaiting) this.#unmarked.splice(0, maxOperations);
  }

  async #waitForOther(until: number): Promise<void> {
    if (this.#options.clock.monotonic() > until) {
      throw new WeirError("claims_unavailable", "Another daemon is storing the same rows; try again", {
        retryAfterS: 5,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** Under which a row is claimed. */
function rowKey({ key }: Identity): string {
  return `i:${key}`;
}

/** Under which an Idempotency-Key is claimed. */
function replyKey(key: string): string {
  return `k:${key}`;
}

/** Those that another daemon is storing; repeats are marked. */
function pendingOf(identities: readonly Identity[], answers: readonly ClaimAnswer[]): Identity[] {
  return identities.filter((identity, i) => {
    const answer = answers[i];
    if (answer.state === "done") identity.first ??= JSON.parse(answer.memo) as IdentityMemo;
    return answer.state === "pending";
  });
}
