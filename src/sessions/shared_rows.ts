/**
 * Rows with an identity, and requests with an Idempotency-Key, that one of several daemons stores.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { WeirError } from "../base/errors.ts";
import type { Identity, IdentityMemo, KeptReply } from "../base/record.ts";
import type { ClaimCounts } from "./claim_counts.ts";
import { maxOperations, maxWaiting, type Outbox } from "./outbox.ts";
import type { RedisAnswer, RedisLink } from "./redis_link.ts";
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
    const answers = await this.#ask(this.holds(identities));
    if (answers !== undefined) await this.claimed(identities, answers);
  }

  /** The questions of {@link claim}, for who asks something else as well. */
  holds(identities: readonly Identity[]): RedisOperation[] {
    return identities.map(({ key }) => this.#hold(`i:${key}`));
  }

  /**
   * What was answered to {@link holds}.
   * @throws WeirError `claims_unavailable`
   */
  async claimed(identities: readonly Identity[], answers: readonly RedisAnswer[]): Promise<void> {
    const until = this.#options.clock.monotonic() + waitMs;
    let pending = this.#settle(identities, answers);
    while (pending.length > 0) {
      await this.#waitForOther(until);
      const found = await this.#ask(this.holds(pending));
      if (found === undefined) return;
      pending = this.#settle(pending, found);
    }
  }

  /** Rows with these identities are stored: a repeat is told what was answered. */
  stored(identities: readonly (Identity | undefined)[]): void {
    let count = 0;
    for (const identity of identities) {
      if (identity === undefined) continue;
      this.#mark(`i:${identity.key}`, JSON.stringify(identity.memo));
      count++;
    }
    if (this.#options.link.isUp) this.#options.counts.done(count);
  }

  /** Asks whether another daemon gave a reply to this Idempotency-Key; without one the key is this daemon's. */
  async holdReply(key: string): Promise<KeptReply | undefined> {
    for (const until = this.#options.clock.monotonic() + waitMs;;) {
      const answers = await this.#ask([this.#hold(`k:${key}`)]);
      if (answers === undefined) return undefined;
      const [[state, , memo]] = answers;
      if (state !== "pending") this.#options.counts.answered(answers);
      if (state === "done") return JSON.parse(memo) as KeptReply;
      if (state === "taken") return undefined;
      await this.#waitForOther(until);
    }
  }

  /** The reply to an Idempotency-Key is stored. */
  storedReply(key: string, reply: KeptReply): void {
    this.#mark(`k:${key}`, JSON.stringify(reply), this.#options.replyKeepMs());
    if (this.#options.link.isUp) this.#options.counts.done(1);
  }

  /** The request came to nothing: the next one with this key need not wait. */
  releaseReply(key: string): void {
    const { link, outbox, token } = this.#options;
    outbox.add({ key: link.lone(`k:${key}`), words: ["release", token] });
  }

  /**
   * Redis is there again: it is told what was stored meanwhile.
   * @returns how many of these rows another daemon has stored as well
   */
  async reconcile(): Promise<number> {
    const { link, outbox, token, keepMs } = this.#options;
    let repeats = 0;
    while (this.#unmarked.length > 0) {
      const some = this.#unmarked.slice(0, maxOperations);
      const answers = await outbox.ask(some.map(({ key, memo }) => ({
        key: link.lone(key),
        words: ["mark", token, keepMs(), memo],
      })));
      this.#unmarked = this.#unmarked.slice(some.length);
      repeats += answers.filter((answer) => answer === 1).length;
    }
    return repeats;
  }

  /** Marks and counts what is decided. @returns those that another daemon is storing */
  #settle(identities: readonly Identity[], answers: readonly RedisAnswer[]): Identity[] {
    this.#options.counts.answered(answers.filter(([state]) => state !== "pending"));
    return pendingOf(identities, answers);
  }

  /** @returns undefined where nobody could be asked, and this daemon decides alone */
  async #ask(operations: readonly RedisOperation[]): Promise<RedisAnswer[] | undefined> {
    try {
      return await this.#options.outbox.ask(operations);
    } catch (error) {
      if (this.#options.onOutage() === "reject") throw error;
      return undefined;
    }
  }

  #hold(key: string): RedisOperation {
    const { link, token } = this.#options;
    return { key: link.lone(key), words: ["hold", token, pendingMs] };
  }

  #mark(key: string, memo: string, keepMs = this.#options.keepMs()): void {
    const { link, outbox, token } = this.#options;
    if (link.isUp) return outbox.add({ key: link.lone(key), words: ["mark", token, keepMs, memo] });
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

/** Those that another daemon is storing; repeats are marked. */
function pendingOf(identities: readonly Identity[], answers: readonly RedisAnswer[]): Identity[] {
  return identities.filter((identity, i) => {
    const [state, , memo] = answers[i];
    if (state === "done") identity.first ??= JSON.parse(memo) as IdentityMemo;
    return state === "pending";
  });
}
