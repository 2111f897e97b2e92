/**
 * Claims that daemons share over Redis.
 * @module
 */

import { randomUUID } from "node:crypto";
import type { Metrics } from "../base/metrics.ts";
import type { ClaimAnswer, ClaimRequest, Claims, HeldClaim } from "./claims.ts";
import type { RedisLink } from "./redis_link.ts";
import type { RedisKey } from "./redis_script.ts";

/** Claims in Redis. Every method is one round trip, and throws WeirError `claims_unavailable` when Redis is away. */
export class RedisClaims implements Claims {
  readonly #link: RedisLink;
  readonly #metrics: Metrics;

  constructor(link: RedisLink, metrics: Metrics) {
    this.#link = link;
    this.#metrics = metrics;
  }

  async take(requests: readonly ClaimRequest[]): Promise<ClaimAnswer[]> {
    const tokens = requests.map(() => randomUUID());
    const answers = await this.#link.run(
      requests.map(({ key, pendingMs }, i) => ({
        key: this.#key(key),
        words: ["take", tokens[i], pendingMs],
      })),
    );
    return answers.map(([state, fence, more], i) => {
      const answer: ClaimAnswer = state === "taken"
        ? { state, token: tokens[i], fence: Number(fence), takenOver: more === 1 }
        : { state, fence: Number(fence) };
      this.#count(answer);
      return answer;
    });
  }

  async done(claims: readonly HeldClaim[], keepMs: number): Promise<boolean[]> {
    const answers = await this.#link.run(
      claims.map(({ key, token }) => ({ key: this.#key(key), words: ["done", token, keepMs] })),
    );
    const done = answers.map((answer) => answer === 1);
    this.#metrics.counter("weir_claims_total").inc({ event: "done" }, done.filter(Boolean).length);
    return done;
  }

  async release(claims: readonly HeldClaim[]): Promise<void> {
    await this.#link.run(
      claims.map(({ key, token }) => ({ key: this.#key(key), words: ["release", token] })),
    );
  }

  close(): Promise<void> {
    this.#link.close();
    return Promise.resolve();
  }

  #key(key: string): RedisKey {
    return this.#link.lone(`c:${key}`);
  }

  #count(answer: ClaimAnswer): void {
    const event = answer.state !== "taken" ? "lost" : answer.takenOver ? "taken_over" : "taken";
    this.#metrics.counter("weir_claims_total").inc({ event });
  }
}
