/**
 * The track dialect with nothing behind it: one sender with sessions of its own, whose rows become records in memory.
 * @module
 */

import { BufferPool } from "../../src/base/buffer_pool.ts";
import { systemClock } from "../../src/base/clock.ts";
import { IdSource } from "../../src/base/ids.ts";
import { defaultConfig } from "../../src/config/schema.ts";
import { noRules } from "../../src/dialects/authority.ts";
import type { Inbound, Services } from "../../src/dialects/dialect.ts";
import { TrackIngest } from "../../src/dialects/track/apply.ts";
import { Sender } from "../../src/dialects/track/sender.ts";
import { UserAgents } from "../../src/dialects/track/user_agent.ts";
import { SaltStore } from "../../src/sessions/salts.ts";
import { emptyBook } from "../../tests/sessions/empty_book.ts";
import { type BodyPlan, makeRequests } from "../bodies.ts";

const userAgent = "weir-bench/1.0";

/** What takes bodies. */
export interface TrackIntake {
  /** Where units and parsers take their buffers from. */
  readonly buffers: BufferPool;
  /** Begins a request; `batchOnly` is that of its route. */
  ingest(batchOnly: boolean): TrackIngest;
}

/**
 * Makes a sender whose rows arrive at `now`, ms since the epoch.
 * @param dir Folder for its salts.
 */
export function openIntake(dir: string, now: number): TrackIntake {
  const config = defaultConfig();
  const ids = new IdSource(systemClock);
  const inbound = {
    arrivedAt: now,
    clientIp: "203.0.113.9",
    headers: new Headers({ "user-agent": userAgent }),
  } as unknown as Inbound;
  const sender = new Sender({ project: "bench", isTrusted: false, rules: noRules }, inbound, {
    config,
    salts: SaltStore.open({ path: `${dir}/salts.json`, keepDays: 7, now }),
    sessions: emptyBook(systemClock),
    ids,
    device: new UserAgents().describe(userAgent),
    geo: { generation: 0, find: () => ({}) },
  });
  const services = { config, ids } as unknown as Services;
  return {
    buffers: new BufferPool(64 << 20),
    ingest: (batchOnly) =>
      new TrackIngest({
        inbound,
        services,
        credentials: { id: "p", secret: undefined, origin: undefined },
        senderOf: () => sender,
        batchOnly,
      }, { sender }),
  };
}

/** The body of the bench's own request. */
export function bodyOf(plan: BodyPlan, now: number): Uint8Array {
  const request = makeRequests(plan, 1, now)[0]();
  const head = new TextDecoder().decode(request.subarray(0, 4096));
  return request.slice(head.indexOf("\r\n\r\n") + 4);
}
