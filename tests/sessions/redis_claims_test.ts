import { systemClock } from "../../src/base/clock.ts";
import { createLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { Outbox } from "../../src/sessions/outbox.ts";
import { RedisClaims } from "../../src/sessions/redis_claims.ts";
import { RedisLink } from "../../src/sessions/redis_link.ts";
import { claimsSuite, type ClaimsUnderTest } from "../contract/claims_suite.ts";
import { startRedisCluster } from "../support/redis_cluster.ts";
import { startRedis } from "../support/redis.ts";

let rooms = 0;

/** Two daemons' claims over one Redis, under a prefix of their own. */
async function openRooms(url: string): Promise<ClaimsUnderTest> {
  const metrics = createMetrics();
  const prefix = `test${rooms++}`;
  const log = createLog({ clock: systemClock, write: () => {} });
  const links = [1, 2].map(() => new RedisLink({ url, prefix, clock: systemClock, log, metrics }));
  await Promise.all(links.map((link) => link.start()));
  const [claims, other] = links.map((link) => new RedisClaims(link, new Outbox(link, () => [])));
  return {
    claims,
    other,
    advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    [Symbol.asyncDispose](): Promise<void> {
      links.forEach((link) => link.close());
      return Promise.resolve();
    },
  };
}

// One server and one cluster for all tests: each uses keys of its own.
const redis = await startRedis();
const cluster = await startRedisCluster();
Deno.test.afterAll(async () => {
  await redis[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

claimsSuite("RedisClaims", () => openRooms(redis.url));
claimsSuite("RedisClaims over a cluster", () => openRooms(cluster.url));
