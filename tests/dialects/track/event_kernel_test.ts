/**
 * Long streams of rows through both ways of a row to its record: whatever the kernel takes must become what the
 * schema's way makes of it, with the same sessions behind it.
 */

import { assert, assertEquals } from "@std/assert";
import { systemClock } from "../../../src/base/clock.ts";
import { IdSource } from "../../../src/base/ids.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { Outcomes } from "../../../src/base/outcome.ts";
import { frameHeaderBytes, Unit } from "../../../src/base/record.ts";
import { defaultConfig } from "../../../src/config/schema.ts";
import { type ClientRules, noRules } from "../../../src/dialects/authority.ts";
import type { Inbound, Services } from "../../../src/dialects/dialect.ts";
import { TrackIngest } from "../../../src/dialects/track/apply.ts";
import { eventKernelSource } from "../../../src/dialects/track/event_kernel_wasm.ts";
import { Sender } from "../../../src/dialects/track/sender.ts";
import { UserAgents } from "../../../src/dialects/track/user_agent.ts";
import { kernelPlans, sourceHash } from "../../../src/kernel_build.ts";
import { NdjsonRows } from "../../../src/parse/ndjson_rows.ts";
import type { RowLimits } from "../../../src/parse/window.ts";
import { SaltStore } from "../../../src/sessions/salts.ts";
import type { Session } from "../../../src/sessions/session.ts";
import type { SessionBook } from "../../../src/sessions/session_book.ts";
import type { TextMaker } from "../../parse/json_texts.ts";
import { emptyBook } from "../../sessions/empty_book.ts";
import { RowMaker } from "./row_maker.ts";

const start = Date.parse("2026-06-08T23:40:00.000Z");
const minute = 60_000;
const limits: RowLimits = {
  maxRows: Infinity,
  maxRowBytes: 1 << 20,
  maxDepth: 128,
  maxEnvelopeBytes: 65_536,
  windowRows: 50,
  windowBytes: 262_144,
  maxBodyBytes: Infinity,
};
const browser = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/** One of the two ways, with sessions of its own. */
interface Way {
  readonly book: SessionBook;
  readonly senders: readonly Sender[];
  /** Rows that the kernel took. */
  taken: number;
}

interface WayOptions {
  readonly salts: SaltStore;
  readonly isFast: boolean;
  readonly rules?: ClientRules;
}

function makeWay({ salts, isFast, rules = noRules }: WayOptions): Way {
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
  const way = { book, senders: [sender(browser), sender("my-server/1.0")], taken: 0 };
  for (const { events } of way.senders) {
    const writeRows = events.writeRows.bind(events);
    events.writeRows = (rows, which, unit) => {
      const taken = isFast ? writeRows(rows, which, unit) : 0;
      way.taken += taken;
      return taken;
    };
  }
  return way;
}

function inboundAt(arrivedAt: number, userAgent: string): Inbound {
  return { arrivedAt, clientIp: "203.0.113.9", headers: new Headers({ "user-agent": userAgent }) } as Inbound;
}

/** Takes lines that arrive at once, and tells all that came of it. */
function take(
  way: Way,
  lines: string,
  { arrivedAt, number }: { arrivedAt: number; number: number },
): unknown {
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
    sender,
    anonymous: undefined,
    findSender: () => Promise.resolve(sender),
    batchOnly: true,
    refusal: undefined,
  });
  const rows = new NdjsonRows({ limits });
  const unit = new Unit();
  const outcomes = new Outcomes();
  const takeAll = (windows: Iterable<Parameters<TrackIngest["take"]>[0]>): void => {
    for (const window of windows) {
      ingest.take(window, unit, outcomes);
      window.settle();
    }
  };
  takeAll(rows.push(new TextEncoder().encode(lines)));
  takeAll(rows.finish());
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

async function withSalts(test: (salts: SaltStore) => void): Promise<void> {
  const dir = await Deno.makeTempDir();
  test(SaltStore.open({ path: `${dir}/salts.json`, keepDays: 7, now: start }));
  await Deno.remove(dir, { recursive: true });
}

const guarded: ClientRules = {
  ...noRules,
  blockedProfileIds: new Set(["blocked"]),
  droppedEvents: new Set(["dropped"]),
};

for (const [who, rules] of [["anybody", noRules], ["a client with rules", guarded]] as const) {
  Deno.test(`the event kernel leaves what the schema's way leaves, over streams of rows of ${who}`, async () => {
    await withSalts((salts) => {
      const fast = makeWay({ salts, isFast: true, rules });
      const slow = makeWay({ salts, isFast: false, rules });
      const [sender] = slow.senders;
      const own = [start, start + 60 * minute].map((time) => sender.deviceAt(time, time));
      const rows = new RowMaker(rules === noRules ? 11 : 12, own);
      const { maker } = rows;
      let given = 0;
      let now = start;
      for (let stretch = 0; stretch < 250; stretch++) {
        now += maker.pick([0, 1, 1_000, 5 * minute, 31 * minute]);
        const lines = Array.from({ length: 1 + maker.below(120) }, () => rows.row(now));
        given += lines.length;
        const at = { arrivedAt: now, number: maker.below(5) === 0 ? 1 : 0 };
        const text = lines.join("\n");
        const [left, right] = [take(fast, text, at), take(slow, text, at)];
        assertEquals(left, right);
        disturb([fast.book, slow.book], maker);
      }
      assert(fast.taken > given / 4, `only ${fast.taken} of ${given} rows went through the kernel`);
    });
  });
}

/** Does to the sessions of both ways what flushes, reapers and other daemons may do between two windows. */
function disturb(books: readonly SessionBook[], maker: TextMaker): void {
  const [kind, device] = [maker.below(4), `device-${maker.below(6)}`];
  for (const book of books) {
    const session = book.liveOf('p"ü', device);
    if (session === undefined) continue;
    if (kind === 0) book.retire(session);
    if (kind === 1) session.seenT -= 29 * minute;
    if (kind === 2 && session.referrer === "") session.referrer = ',"referrer":"https://a.example"';
  }
}

Deno.test("the event kernel sees within a run that a device's session ended by way of the device's other name", async () => {
  await withSalts((salts) => {
    const fast = makeWay({ salts, isFast: true });
    const slow = makeWay({ salts, isFast: false });
    const own = fast.senders[0].deviceAt(start, start);
    const rowAt = (time: number, device: object): string => {
      const properties = { __timestamp: new Date(time).toISOString(), ...device };
      return JSON.stringify({ type: "track", payload: { name: "a", properties } });
    };
    const named = { __deviceId: own };
    const lines = [
      rowAt(start - 30 * minute, named),
      // Still live, and too far from the one before for one session.
      rowAt(start + minute / 2, {}),
      rowAt(start - 29 * minute, named),
      rowAt(start - 29 * minute, {}),
    ].join("\n");
    const at = { arrivedAt: start, number: 0 };
    assertEquals(take(fast, lines, at), take(slow, lines, at));
    assertEquals(fast.taken, 4);
  });
});

Deno.test("the event kernel goes on where its tables are full", async () => {
  await withSalts((salts) => {
    const fast = makeWay({ salts, isFast: true });
    const slow = makeWay({ salts, isFast: false });
    const rowOf = (name: string, device: string): string =>
      JSON.stringify({ type: "track", payload: { name, properties: { __deviceId: device } } });
    for (let round = 0; round < 12; round++) {
      const lines = Array.from(
        { length: 600 },
        (_, i) => rowOf(`name-${i % 100 * round}`, `d-${round * 600 + i}`),
      );
      // Devices come again after others were forgotten.
      lines.push(...lines.slice(0, 30), rowOf("a", "d-1"));
      const at = { arrivedAt: start + round, number: 0 };
      const text = lines.join("\n");
      assertEquals(take(fast, text, at), take(slow, text, at));
    }
    assertEquals(fast.taken, 12 * 631);
  });
});

Deno.test("the event kernel writes times as Date does, for arrivals and events of many years", async () => {
  await withSalts((salts) => {
    const fast = makeWay({ salts, isFast: true });
    const { maker } = new RowMaker(5, []);
    const days = [
      "1972-02-29",
      "1999-12-31",
      "2000-02-29",
      "2024-02-29",
      "2026-01-01",
      "2100-03-01",
      "2400-02-29",
    ];
    for (let i = 0; i < 400; i++) {
      const day = i < days.length ? Date.parse(days[i]) : maker.below(2 ** 32) * 1_000;
      const time = day + maker.below(86_400_000);
      const iso = new Date(time).toISOString();
      const line = `{"type":"track","payload":{"name":"a","properties":{"__deviceId":"d"${
        i % 2 === 0 ? "" : `,"__timestamp":"${iso}"`
      }}}}`;
      const { records, places } = take(fast, line, { arrivedAt: time, number: 0 }) as {
        records: string[];
        places: unknown[];
      };
      assertEquals(JSON.parse(records[0]).created_at, iso);
      assert(JSON.stringify(places).includes(`date=${iso.slice(0, 10)}`));
    }
    assertEquals(fast.taken, 400);
    for (
      const wrong of ["2025-02-29", "2100-02-29", "2026-04-31", "2026-00-10", "2026-13-01", "2026-05-00"]
    ) {
      const line =
        `{"type":"track","payload":{"name":"a","properties":{"__timestamp":"${wrong}T00:00:00.000Z"}}}`;
      take(fast, line, { arrivedAt: Date.parse("2026-05-01"), number: 0 });
    }
    assertEquals(fast.taken, 400);
  });
});

Deno.test("event_kernel_wasm.ts is compiled from the kernel's sources as they are", async () => {
  assertEquals(await sourceHash(kernelPlans.event), eventKernelSource, "run src/kernel_build.ts");
});
