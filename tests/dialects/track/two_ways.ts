/**
 * The two ways of rows to their records, each with sessions of its own: the kernel's, and the schema's.
 * @module
 */

import { assertEquals } from "@std/assert";
import { systemClock } from "../../../src/base/clock.ts";
import { IdSource } from "../../../src/base/ids.ts";
import { WeirError } from "../../../src/base/errors.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { Outcomes } from "../../../src/base/outcome.ts";
import { frameHeaderBytes, Unit } from "../../../src/base/record.ts";
import { defaultConfig } from "../../../src/config/schema.ts";
import { type ClientRules, noRules } from "../../../src/dialects/authority.ts";
import type { Inbound, Services } from "../../../src/dialects/dialect.ts";
import { TrackIngest } from "../../../src/dialects/track/apply.ts";
import { Sender } from "../../../src/dialects/track/sender.ts";
import { UserAgents } from "../../../src/dialects/track/user_agent.ts";
import { JsonRows } from "../../../src/parse/json_rows.ts";
import { NdjsonRows } from "../../../src/parse/ndjson_rows.ts";
import { RowStretch } from "../../../src/parse/row_stretch.ts";
import type { RowLimits, RowSource, RowWindow } from "../../../src/parse/window.ts";
import { SaltStore } from "../../../src/sessions/salts.ts";
import type { Session } from "../../../src/sessions/session.ts";
import type { SessionBook } from "../../../src/sessions/session_book.ts";
import type { TextMaker } from "../../parse/json_texts.ts";
import { wide } from "../../parse/verdicts.ts";
import { emptyBook } from "../../sessions/empty_book.ts";

/** When the first rows arrive. */
export const start = Date.parse("2026-06-08T23:40:00.000Z");
export const minute = 60_000;
const browser = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/** One of the two ways, with sessions of its own. */
export interface Way {
  readonly book: SessionBook;
  readonly senders: readonly Sender[];
  readonly isFast: boolean;
  /** Rows that the kernel took. */
  taken: number;
  /** Rows among them that it found by itself. */
  listed: number;
}

/** How a way is made. */
export interface WayOptions {
  readonly salts: SaltStore;
  readonly isFast: boolean;
  readonly rules?: ClientRules;
}

/** A way of a client that has two senders: a browser, and a server. */
export function makeWay({ salts, isFast, rules = noRules }: WayOptions): Way {
  const book = emptyBook(systemClock);
  const ids = new IdSource(systemClock);
  const agents = new UserAgents();
  const sender = (userAgent: string): Sender =>
    new Sender(
      { project: 'p"ü', isTrusted: false, rules },
      inboundAt(start, userAgent),
      {
        config: defaultConfig(),
        salts,
        sessions: book,
        ids,
        device: agents.describe(userAgent),
        geo: { generation: 0, find: () => ({ country: "DE" }) },
      },
    );
  const way: Way = { book, isFast, senders: [sender(browser), sender("my-server/1.0")], taken: 0, listed: 0 };
  for (const { events } of way.senders) {
    const writeRows = events.writeRows.bind(events);
    events.writeRows = (rows, which, unit) => {
      const taken = isFast ? writeRows(rows, which, unit) : 0;
      way.taken += taken;
      return taken;
    };
    const writeList = events.writeList.bind(events);
    events.writeList = (list, unit) => {
      const taken = writeList(list, unit);
      way.taken += taken.rows;
      way.listed += taken.rows;
      return taken;
    };
  }
  return way;
}

function inboundAt(arrivedAt: number, userAgent: string): Inbound {
  return { arrivedAt, clientIp: "203.0.113.9", headers: new Headers({ "user-agent": userAgent }) } as Inbound;
}

/** Where rows stand, and how they are sent. */
export interface Sent {
  readonly arrivedAt: number;
  /** Of the sender. */
  readonly number: number;
  /** The body, in pieces; lines are NDJSON, the others a body with rows at `events`. */
  readonly chunks: readonly Uint8Array[];
  readonly format: "lines" | "body";
  readonly limits?: Partial<RowLimits>;
}

/** Takes lines that arrive at once, and tells all that came of it. */
export function take(
  way: Way,
  lines: string,
  { arrivedAt, number }: { arrivedAt: number; number: number },
): unknown {
  return takeSent(way, { arrivedAt, number, chunks: [new TextEncoder().encode(lines)], format: "lines" });
}

/** Takes what is sent, and tells all that came of it. Rows of bodies are offered in stretches to the fast way. */
export function takeSent(way: Way, { arrivedAt, number, chunks, format, limits = {} }: Sent): unknown {
  const sender = way.senders[number];
  const services = {
    config: defaultConfig(),
    ids: new IdSource(systemClock),
    metrics: createMetrics(),
    log: { error: fail },
  };
  const ingest = new TrackIngest({
    inbound: inboundAt(arrivedAt, browser),
    services: services as unknown as Services,
    credentials: { id: "p", secret: undefined, origin: undefined },
    senderOf: () => sender,
    batchOnly: true,
  }, { sender });
  const unit = new Unit();
  const outcomes = new Outcomes();
  const takeAll = (pieces: Iterable<RowWindow | RowStretch>): void => {
    for (const piece of pieces) {
      if (piece instanceof RowStretch) ingest.takeStretch(piece, unit, outcomes);
      else {
        ingest.take(piece, unit, outcomes);
        piece.settle();
      }
    }
  };
  let error: string | undefined;
  try {
    const rows = sourceOf(format, { ...wide, maxDepth: 128, ...limits }, way.isFast);
    for (const chunk of chunks) takeAll(rows.push(chunk.slice()));
    takeAll(rows.finish());
    if (rows instanceof JsonRows) ingest.close({ envelope: rows.envelope, rowsKey: rows.rowsKey }, outcomes);
  } catch (thrown) {
    if (!(thrown instanceof WeirError)) throw thrown;
    error = `${thrown.code}: ${thrown.message}`;
  }
  return error === undefined ? seenOf(unit, outcomes) : { error };
}

function sourceOf(
  format: Sent["format"],
  limits: RowLimits,
  isFast: boolean,
): RowSource<RowWindow | RowStretch> {
  if (format === "lines") return new NdjsonRows({ limits });
  const rows = new JsonRows({ rowsKey: "events", limits });
  return isFast ? rows.offering() : rows;
}

function seenOf(unit: Unit, outcomes: Outcomes): unknown {
  const text = new TextDecoder().decode(unit.writer.view(frameHeaderBytes));
  const ids = [...text.matchAll(/","id":"([0-9a-f-]{36})"/g)].map(([, id]) => id);
  assertEquals(new Set(ids).size, ids.length);
  return {
    records: text.replace(/","id":"[0-9a-f-]{36}"/g, '","id":""').split("\n"),
    ends: unit.starts.map((at) =>
      text.length > 0 && unit.writer.view(at - 1, at)[0] === 0x0a || at === frameHeaderBytes
    ),
    places: unit.places,
    identities: unit.identities,
    accepted: outcomes.accepted,
    rejected: outcomes.rejected,
    tallies: [...unit.tallies.values()].map((tally) => ({
      ...tally,
      siblings: undefined,
      session: stateOf(tally.session as Session),
    })),
  };
}

function fail(message: string, fields: object): never {
  throw new Error(`${message}: ${JSON.stringify(fields)}`);
}

function stateOf({ id, seenT, isLive, isGone, referrer, deviceId }: Session): unknown {
  return { id, seenT, isLive, isGone, referrer, deviceId };
}

/** Runs a test with salts of its own. */
export async function withSalts(test: (salts: SaltStore) => void): Promise<void> {
  const dir = await Deno.makeTempDir();
  test(SaltStore.open({ path: `${dir}/salts.json`, keepDays: 7, now: start }));
  await Deno.remove(dir, { recursive: true });
}

/** Does to the sessions of both ways what flushes, reapers and other daemons may do between two windows. */
export function disturb(books: readonly SessionBook[], maker: TextMaker): void {
  const [kind, device] = [maker.below(4), `device-${maker.below(6)}`];
  for (const book of books) {
    const session = book.liveOf('p"ü', device);
    if (session === undefined) continue;
    if (kind === 0) book.retire(session);
    if (kind === 1) session.seenT -= 29 * minute;
    if (kind === 2 && session.referrer === "") session.referrer = ',"referrer":"https://a.example"';
  }
}
