/**
 * Salts of device ids that daemons have in common.
 * @module
 */

import type { Outbox } from "./outbox.ts";
import type { RedisLink } from "./redis_link.ts";
import type { SaltStore } from "./salts.ts";

const dayMs = 86_400_000;

/** What {@link agreeOnSalts} works with. */
export interface SharedSaltsOptions {
  readonly link: RedisLink;
  readonly outbox: Outbox;
  readonly salts: SaltStore;
  readonly saltKeepDays: () => number;
}

/**
 * Takes over the salts of other daemons, and gives them those that they do not have.
 * @param now ms since the epoch
 * @throws WeirError `claims_unavailable`
 */
export async function agreeOnSalts(
  { link, outbox, salts, saltKeepDays }: SharedSaltsOptions,
  now: number,
): Promise<void> {
  const days = salts.days(now);
  const values = await outbox.ask(days.map(({ day, salt }) => ({
    key: link.key("salts", `salt:${day}`),
    words: ["agree", salt, (saltKeepDays() + 2) * dayMs],
  })));
  salts.adopt(days.map(({ day }, i) => ({ day, salt: String(values[i]) })));
}
