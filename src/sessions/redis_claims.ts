/**
 * Claims that daemons share over Redis: what is said of them in the script's words, and how it answers.
 * @module
 */

import type { ClaimAnswer, ClaimRequest, Claims, DoneClaim, HeldClaim } from "./claims.ts";
import type { Outbox } from "./outbox.ts";
import type { RedisAnswer, RedisLink } from "./redis_link.ts";
import type { RedisKey, RedisOperation } from "./redis_script.ts";

/** Takes a claim, or holds it on; the answer is read by {@link readClaim}. */
export function takeOperation(
  key: RedisKey,
  { token, pendingMs }: Omit<ClaimRequest, "key">,
): RedisOperation {
  return { key, words: ["hold", token, pendingMs] };
}

/** The claim is done; answers 1 where it was still the owner's. */
export function doneOperation(key: RedisKey, claim: Omit<DoneClaim, "key">): RedisOperation {
  return { key, words: doneWords("done", claim) };
}

/** Is done without a claim; answers 1 where somebody else had done it. */
export function markOperation(key: RedisKey, claim: Omit<DoneClaim, "key">): RedisOperation {
  return { key, words: doneWords("mark", claim) };
}

/** The claim is given back. */
export function releaseOperation(key: RedisKey, token: string): RedisOperation {
  return { key, words: ["release", token] };
}

/** What the script answers to who wants to take a claim. */
export function readClaim(answer: RedisAnswer): ClaimAnswer {
  const [state, fence, more] = answer;
  if (state === "taken") return { state, fence: Number(fence), takenOver: more === 1 };
  if (state === "done") return { state, fence: Number(fence), memo: more };
  return { state: "pending", fence: Number(fence) };
}

/**
 * Claims in Redis, each under its own name. Every method is one round trip, in which what waits to be told goes
 * along, and throws WeirError `claims_unavailable` when Redis is away.
 */
export class RedisClaims implements Claims {
  readonly #link: RedisLink;
  readonly #outbox: Outbox;

  constructor(link: RedisLink, outbox: Outbox) {
    this.#link = link;
    this.#outbox = outbox;
  }

  async take(requests: readonly ClaimRequest[]): Promise<ClaimAnswer[]> {
    const answers = await this.#outbox.ask(
      requests.map((request) => takeOperation(this.#link.lone(request.key), request)),
    );
    return answers.map(readClaim);
  }

  async done(claims: readonly DoneClaim[]): Promise<boolean[]> {
    const answers = await this.#outbox.ask(
      claims.map((claim) => doneOperation(this.#link.lone(claim.key), claim)),
    );
    return answers.map((answer) => answer === 1);
  }

  async mark(claims: readonly DoneClaim[]): Promise<boolean[]> {
    const answers = await this.#outbox.ask(
      claims.map((claim) => markOperation(this.#link.lone(claim.key), claim)),
    );
    return answers.map((answer) => answer === 1);
  }

  async release(claims: readonly HeldClaim[]): Promise<void> {
    await this.#outbox.ask(
      claims.map(({ key, token }) => releaseOperation(this.#link.lone(key), token)),
    );
  }
}

function doneWords(
  word: "done" | "mark",
  { token, keepMs, memo }: Omit<DoneClaim, "key">,
): (string | number)[] {
  return memo === undefined ? [word, token, keepMs] : [word, token, keepMs, memo];
}
