/**
 * Senders with nothing behind them, and when and within which limits their rows arrive.
 * @module
 */

import { systemClock } from "../../../src/base/clock.ts";
import { IdSource } from "../../../src/base/ids.ts";
import { defaultConfig } from "../../../src/config/schema.ts";
import type { Inbound } from "../../../src/dialects/dialect.ts";
import { noRules } from "../../../src/dialects/authority.ts";
import { Sender } from "../../../src/dialects/track/sender.ts";
import { UserAgents } from "../../../src/dialects/track/user_agent.ts";
import type { RowLimits } from "../../../src/parse/window.ts";
import { SaltStore } from "../../../src/sessions/salts.ts";
import { emptyBook } from "../../sessions/empty_book.ts";

/** When every row arrives, ms since the epoch. */
export const arrivedAt = Date.parse("2026-06-08T12:00:00.000Z");
/** Limits of the rows, wide enough for all of them. */
export const limits: RowLimits = {
  maxRows: 2000,
  maxRowBytes: 1 << 23,
  maxDepth: 128,
  maxEnvelopeBytes: 65_536,
  windowRows: 50,
  windowBytes: 262_144,
  maxBodyBytes: 10 << 20,
};

/** Makes senders, each with sessions of its own; `salts` is a folder to be removed at the end. */
export async function senders(): Promise<{ senderOf: () => Sender; salts: string }> {
  const dir = await Deno.makeTempDir();
  const salts = SaltStore.open({ path: `${dir}/salts.json`, keepDays: 7, now: arrivedAt });
  const device = new UserAgents().describe(
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  );
  const inbound = {
    arrivedAt,
    clientIp: "203.0.113.9",
    headers: new Headers({ "user-agent": "Mozilla/5.0 Firefox/128.0", "openpanel-sdk-name": 'w"eb' }),
  } as unknown as Inbound;
  const ids = new IdSource(systemClock);
  const grant = { project: 'p"ü', isTrusted: false, rules: noRules };
  const geo = { generation: 0, find: () => ({ country: "DE" }) };
  return {
    salts: dir,
    senderOf: () =>
      new Sender(grant, inbound, {
        config: defaultConfig(),
        salts,
        sessions: emptyBook(systemClock),
        ids,
        device,
        geo,
      }),
  };
}
