/**
 * Where a Redis is configured: reaches it, and shares sessions with the daemons that use the same one.
 * @module
 */

import { randomBytes, randomUUID } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import type { Config } from "../config/schema.ts";
import { ClaimCounts } from "./claim_counts.ts";
import { Outbox } from "./outbox.ts";
import { RedisClaims } from "./redis_claims.ts";
import { RedisLink } from "./redis_link.ts";
import type { SaltStore } from "./salts.ts";
import type { SessionBook } from "./session_book.ts";
import { SessionOperations } from "./session_operations.ts";
import { SharedRows } from "./shared_rows.ts";
import { agreeOnSalts } from "./shared_salts.ts";
import { SharedSessions } from "./shared_sessions.ts";

/** What {@link openShared} works with. */
export interface OpenSharedOptions {
  /** As it stands. */
  readonly config: () => Config;
  readonly book: SessionBook;
  readonly salts: SaltStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** The other daemons, and how the way to them is. */
export interface Shared {
  readonly sessions: SharedSessions;
  readonly link: RedisLink;
}

/**
 * Reaches Redis, or goes on trying where it is away.
 * @returns undefined where none is configured
 * @throws what the disk says, when the daemon's name cannot be kept
 */
export async function openShared(options: OpenSharedOptions): Promise<Shared | undefined> {
  const { config, book, salts, clock, log, metrics } = options;
  const { redis: { url, prefix }, data_dir: dataDir } = config();
  if (url === "") return undefined;
  const daemonId = await daemonIdIn(dataDir);
  const token = `${daemonId}/${randomUUID()}`;
  const keepMs = (): number => config().identities.keep_ms;
  const onOutage = (): "continue" | "reject" => config().redis.on_outage;
  const link = new RedisLink({ url, prefix, clock, log, metrics });
  const operations = new SessionOperations({ link, book, daemonId, token, keepMs });
  const outbox = new Outbox(
    link,
    (session) => [operations.publish(session), ...operations.extend(session)],
  );
  const replyKeepMs = (): number => config().idempotency.keep_ms;
  const counts = new ClaimCounts(metrics);
  const claims = new RedisClaims(link, outbox);
  const rows = new SharedRows({ link, outbox, claims, token, keepMs, replyKeepMs, onOutage, clock, counts });
  const sessions = new SharedSessions({ link, outbox, operations, rows, book, onOutage, clock, counts });
  book.sharing = sessions;
  await link.start(async () => {
    const saltKeepDays = (): number => config().track.salt_keep_days;
    await agreeOnSalts({ link, outbox, salts, saltKeepDays }, clock.now());
    sessions.tellAll();
    const repeats = await rows.reconcile();
    await outbox.tell();
    if (repeats > 0) log.warn("Rows were stored twice while Redis was away", { count: repeats });
  });
  return { sessions, link };
}

/** The name of the daemon over these data, made when there is none. */
async function daemonIdIn(dataDir: string): Promise<string> {
  const path = `${dataDir}/daemon_id`;
  const known = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  if (/^[0-9a-f]{16}$/.test(known)) return known;
  const id = randomBytes(8).toString("hex");
  await Deno.writeTextFile(`${path}.tmp`, id, { mode: 0o600 });
  await Deno.rename(`${path}.tmp`, path);
  return id;
}
