/**
 * The two ways of a row to its record, held against each other: what is written straight from the bytes must be
 * what the schema's way writes.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { systemClock } from "../../../src/base/clock.ts";
import { IdSource } from "../../../src/base/ids.ts";
import { Outcomes } from "../../../src/base/outcome.ts";
import { frameHeaderBytes, Unit } from "../../../src/base/record.ts";
import { defaultConfig } from "../../../src/config/schema.ts";
import type { Inbound, Services } from "../../../src/dialects/dialect.ts";
import { noRules } from "../../../src/dialects/authority.ts";
import { TrackIngest } from "../../../src/dialects/track/apply.ts";
import { Sender } from "../../../src/dialects/track/sender.ts";
import { UserAgents } from "../../../src/dialects/track/user_agent.ts";
import { JsonRows } from "../../../src/parse/json_rows.ts";
import type { RowLimits, RowWindow } from "../../../src/parse/window.ts";
import { SaltStore } from "../../../src/sessions/salts.ts";
import { emptyBook } from "../../sessions/empty_book.ts";

const arrivedAt = Date.parse("2026-06-08T12:00:00.000Z");
const limits: RowLimits = {
  maxRows: 2000,
  maxRowBytes: 1 << 23,
  maxDepth: 128,
  maxEnvelopeBytes: 65_536,
  windowRows: 50,
  windowBytes: 262_144,
  maxBodyBytes: 10 << 20,
};

/** Rows that take the short way, each with something else about them. */
const plainRow = fc.record({
  type: fc.constant("track"),
  payload: fc.record({
    name: fc.constantFrom("screen_view", "signup"),
    properties: fc.record({
      __deviceId: fc.constantFrom("device-1", "device-2"),
      __path: fc.constantFrom("/a", "https://example.com/x?y=1"),
      __insertId: fc.constantFrom("id-1", "id-2"),
      list: fc.constantFrom([], [1, [2, { a: "b" }]]),
    }, { requiredKeys: [] }),
    profileId: fc.constantFrom("user-1", "user-2"),
  }, { requiredKeys: ["name"] }),
});

/** Runs one row through the dialect, with or without the way straight from the bytes. */
function take(rowText: string, { senderOf, fast }: { senderOf: () => Sender; fast: boolean }): unknown {
  const sender = senderOf();
  let wentFast = false;
  const writeRows = sender.events.writeRows.bind(sender.events);
  sender.events.writeRows = (rows, which, unit) => {
    const taken = fast ? writeRows(rows, which, unit) : 0;
    if (taken > 0) wentFast = true;
    return taken;
  };
  const inbound = { arrivedAt, headers: new Headers(), clientIp: "203.0.113.9" } as unknown as Inbound;
  const services = { config: defaultConfig(), ids: new IdSource(systemClock) } as unknown as Services;
  const ingest = new TrackIngest({
    inbound,
    services,
    credentials: { id: "p", secret: undefined, origin: undefined },
    senderOf: () => sender,
    batchOnly: true,
  }, { sender });
  const rows = new JsonRows({ rowsKey: "events", limits });
  const unit = new Unit();
  const outcomes = new Outcomes();
  const body = new TextEncoder().encode(`{"events":[${rowText}]}`);
  let refused: string | undefined;
  try {
    for (const window of [...rows.push(body), ...rows.finish()]) {
      ingest.take(window, unit, outcomes);
      window.settle();
    }
  } catch (error) {
    refused = (error as { code?: string }).code ?? String(error);
  }
  const text = new TextDecoder().decode(unit.writer.view(frameHeaderBytes));
  return {
    wentFast,
    seen: {
      refused,
      accepted: outcomes.accepted,
      rejected: outcomes.rejected.map(({ index, reason }) => ({ index, reason })),
      records: refused ? undefined : text.replace(/"id":"[0-9a-f-]{36}"/g, '"id":""'),
      places: refused ? undefined : unit.places,
      identities: refused ? undefined : unit.identities,
    },
  };
}

interface Seen {
  wentFast: boolean;
  seen: unknown;
}

async function senders(): Promise<{ senderOf: () => Sender; salts: string }> {
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

const text = fc.oneof(
  fc.constantFrom(
    "",
    "a",
    "plan",
    "ü",
    "\u2028",
    'q"',
    "b\\s",
    "n\nl",
    "😀",
    "x".repeat(65),
    "null",
    "\u007f",
  ),
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 6 }),
);
const scalar = fc.oneof(
  text,
  fc.integer(),
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.boolean(),
  fc.constant(null),
);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: "small" },
    scalar,
    fc.array(tie("any"), { maxLength: 3 }),
    fc.dictionary(text, tie("any"), { maxKeys: 3 }),
  ),
})).any;
const isoTimestamp = fc.integer({ min: arrivedAt - 86_400_000, max: arrivedAt }).map((time) =>
  new Date(time).toISOString()
);
const timestamp = fc.oneof(
  fc.integer({ min: arrivedAt - 5 * 86_400_000 - 2_000, max: arrivedAt + 62_000 }).map((time) =>
    new Date(time).toISOString()
  ),
  fc.constantFrom(
    "2026-06-31T12:00:00.000Z",
    "2026-06-08T24:00:00.000Z",
    "2026-06-08T11:60:00.000Z",
    "2026-06-08T11:59:59.999Z",
    "2026-06-08 11:00:00",
    "2026-06-08",
    "never",
    "2026-13-01T00:00:00.000Z",
    "2026-06-08T11:59:60.000Z",
    "2026-06-08T1a:00:00.000Z",
  ),
  scalar,
);
const url = fc.oneof(
  fc.webUrl({ withQueryParameters: true, withFragments: true, withDomain: true } as never),
  fc.webPath(),
  fc.constantFrom(
    "https://example.com/a/b?x=1#y",
    "https://example.com/",
    "https://example.com",
    "https://example.com/a/../b",
    "https://example.com/.hidden",
    "https://example.com/a?",
    "https://example.com/a#",
    "https://example.com/a?#",
    "https://example.com/a??b#c#d",
    "http://127.0.0.1/x",
    "http://1.2/x",
    "http://0x7f.1/x",
    "https://EXAMPLE.com/x",
    "https://xn--nxasmq6b/x",
    "https://a--b.com/x",
    "https://a..b/x",
    "https://.a/x",
    "https://a./x",
    "https://a.b:443/x",
    "https://u@a.b/x",
    "https://a.b/%41%2e%2e/x",
    "https://a.b/x y",
    "https://a.b/x|y^z`{}",
    "https://a.b/x?q='\"<>",
    "https://a.b\\c",
    "https:/a.b/c",
    "HTTPS://a.b/c",
    "ftp://a.b/c",
    "/a",
    "//a.b/c",
    "/",
    "home",
    "/a?b#c",
  ),
  text,
);
/** Mostly the first record alone, now and then with members of the second. */
function mostly(
  common: fc.Arbitrary<Record<string, unknown>>,
  rare: fc.Arbitrary<Record<string, unknown>>,
): fc.Arbitrary<Record<string, unknown>> {
  return fc.tuple(common, rare, fc.nat(3)).map(([most, some, roll]) =>
    roll === 0 ? { ...most, ...some } : most
  );
}

const properties = mostly(
  fc.record({
    __timestamp: fc.oneof({ weight: 3, arbitrary: isoTimestamp }, { weight: 1, arbitrary: timestamp }),
    __deviceId: fc.oneof(
      fc.constantFrom("device-1", " padded ", "x".repeat(64), "x".repeat(65), "ü"),
      scalar,
    ),
    __path: url,
    __referrer: url,
    __insertId: fc.oneof(fc.constantFrom("id-1", "y".repeat(256), "y".repeat(257), "ü".repeat(256)), scalar),
    __title: text,
    plan: value,
    nested: value,
  }, { requiredKeys: [] }),
  fc.record({
    path: url,
    $insert_id: scalar,
    __ip: fc.constantFrom("198.51.100.1", 5),
    __identify: fc.constantFrom({ profileId: "u" }, { profileId: "u", email: "a@b.co" }, 1),
    __bot: fc.constant("1"),
    __revenue: fc.constantFrom(1, 1.5, -1, "1"),
    referrer: url,
  }, { requiredKeys: [] }),
);
const payload = mostly(
  fc.record({
    name: fc.oneof(
      fc.constantFrom(
        "screen_view",
        "a.b",
        "revenue",
        "session_start",
        "/wp-login.php",
        "n".repeat(80),
        "n".repeat(81),
        "",
      ),
      text,
    ),
    properties: fc.oneof({ weight: 20, arbitrary: properties }, { weight: 1, arbitrary: value }),
    profileId: fc.oneof(fc.constantFrom("user-1", "user-2", 5, ""), text),
    extra: value,
  }, { requiredKeys: ["name"] }),
  fc.record({
    groups: fc.constantFrom([], ["g"], null, [1]),
    insertId: scalar,
    messageId: scalar,
  }, { requiredKeys: [] }),
);
const row = mostly(
  fc.record({
    type: fc.constant("track"),
    payload: fc.oneof({ weight: 20, arbitrary: payload }, { weight: 1, arbitrary: value }),
    more: value,
  }, { requiredKeys: ["type", "payload"] }),
  fc.record({
    type: fc.constantFrom("identify", "alias", 5),
    insertId: fc.oneof(fc.constantFrom("row-1", ""), scalar),
    messageId: scalar,
    clientId: text,
  }, { requiredKeys: [] }),
);

Deno.test("EventWriter writes what the schema's way writes, for rows of every kind", async () => {
  const { senderOf, salts } = await senders();
  let fastRows = 0;
  fc.assert(
    fc.property(row, fc.constantFrom(0, 0, 1), (given, indent) => {
      const rowText = JSON.stringify(given, null, indent);
      const fast = take(rowText, { senderOf, fast: true }) as Seen;
      const slow = take(rowText, { senderOf, fast: false }) as Seen;
      assertEquals(fast.seen, slow.seen);
      if (fast.wentFast) fastRows++;
    }),
    { numRuns: 5_000, seed: 20_260_608 },
  );
  assert(fastRows > 250, `only ${fastRows} rows took the short way: the test says little about it`);
  await Deno.remove(salts, { recursive: true });
});

Deno.test("EventWriter writes what the schema's way writes, for rows that were damaged at one place", async () => {
  const { senderOf, salts } = await senders();
  const plain = {
    type: "track",
    payload: {
      name: "screen_view",
      properties: {
        __timestamp: "2026-06-08T11:00:00.000Z",
        __deviceId: "device-1",
        __path: "https://example.com/a?b=1#c",
        n: -1.5e-7,
        list: [1, true, null, { a: "b\\n" }],
      },
      profileId: "user-1",
    },
    insertId: "i-1",
  };
  const whole = JSON.stringify(plain);
  assert((take(whole, { senderOf, fast: true }) as Seen).wentFast, "the undamaged row takes the short way");
  const damage = [
    "",
    "0",
    '"',
    "\\",
    "{",
    "}",
    "]",
    ",",
    ":",
    " ",
    "-",
    ".",
    "e",
    "\u0001",
    "ü",
    "\\u0041",
    "\\ud800",
  ];
  for (let at = 0; at < whole.length; at++) {
    for (const piece of damage) {
      for (const cut of [0, 1]) {
        const rowText = whole.slice(0, at) + piece + whole.slice(at + cut);
        const fast = take(rowText, { senderOf, fast: true }) as Seen;
        const slow = take(rowText, { senderOf, fast: false }) as Seen;
        assertEquals(fast.seen, slow.seen, rowText);
      }
    }
  }
  await Deno.remove(salts, { recursive: true });
});

/** Runs a whole body through the dialect: in one go where that is allowed and possible, else row by row. */
function takeBody(
  bodyText: string,
  { senderOf, batchOnly, whole }: { senderOf: () => Sender; batchOnly: boolean; whole: boolean },
): { wentWhole: boolean; seen: unknown } {
  const inbound = { arrivedAt, headers: new Headers(), clientIp: "203.0.113.9" } as unknown as Inbound;
  const services = { config: defaultConfig(), ids: new IdSource(systemClock) } as unknown as Services;
  const sender = senderOf();
  const credentials = { id: "p", secret: undefined, origin: undefined };
  const request = { inbound, services, credentials, senderOf: () => sender, batchOnly };
  const ingest = new TrackIngest(request, { sender });
  const unit = new Unit();
  const outcomes = new Outcomes();
  const body = new TextEncoder().encode(bodyText);
  const wentWhole = whole && ingest.takeWhole(body, unit, outcomes);
  let refused: string | undefined;
  if (!wentWhole) {
    assertEquals(unit.count, 0, "what is not taken leaves nothing behind");
    const rows = new JsonRows({
      rowsKey: batchOnly ? "events" : "payload",
      limits: { ...limits, maxEnvelopeBytes: 1 << 20 },
    });
    const takeWindow = (window: RowWindow): void => {
      ingest.take(window, unit, outcomes);
      window.settle();
    };
    try {
      for (const window of rows.push(body)) takeWindow(window);
      for (const window of rows.finish()) takeWindow(window);
      if (rows.rowsKey === undefined && !batchOnly) takeWindow(rows.single());
      ingest.close({ envelope: rows.envelope, rowsKey: rows.rowsKey }, outcomes);
    } catch (error) {
      refused = (error as { code?: string }).code ?? String(error);
    }
  }
  const text = new TextDecoder().decode(unit.writer.view(frameHeaderBytes));
  return {
    wentWhole,
    seen: {
      refused,
      accepted: refused ? undefined : outcomes.accepted,
      records: refused ? undefined : text.replace(/"id":"[0-9a-f-]{36}"/g, '"id":""'),
      identities: refused ? undefined : unit.identities,
      reply: refused ? undefined : ingest.reply(outcomes, []),
    },
  };
}

Deno.test("TrackIngest.takeWhole() takes bodies as the windows' way does, whatever stands between the tokens", async () => {
  const { senderOf, salts } = await senders();
  let wholeBodies = 0;
  const bodies = fc.tuple(
    fc.array(fc.oneof({ weight: 3, arbitrary: plainRow }, { weight: 1, arbitrary: row }), { maxLength: 4 }),
    fc.constantFrom("", "", " ", "\n", "\r\n\t", ","),
    fc.constantFrom("events", "events", "events", "payload", "other"),
    fc.constantFrom("", "", "", '"clientId":"x",', "\ufeff"),
    fc.constantFrom("}", "}", "}", "}\n", "", "}}", ',"more":1}'),
    fc.constantFrom(0, 0, 2),
  );
  fc.assert(
    fc.property(bodies, fc.boolean(), ([rows, blank, key, before, end, indent], batchOnly) => {
      const rowTexts = rows.map((given) => JSON.stringify(given, null, indent));
      const bodyText = batchOnly
        ? `${blank}{${before}"${key}"${blank}:[${blank}${
          rowTexts.join(`${blank},${blank}`)
        }${blank}]${blank}${end}${blank}`
        : `${blank}${rowTexts[0] ?? ""}${blank}`;
      const whole = takeBody(bodyText, { senderOf, batchOnly, whole: true });
      const windows = takeBody(bodyText, { senderOf, batchOnly, whole: false });
      assertEquals(whole.seen, windows.seen);
      if (whole.wentWhole) wholeBodies++;
    }),
    { numRuns: 4_000, seed: 7 },
  );
  assert(wholeBodies > 250, `only ${wholeBodies} bodies were taken whole: the test says little about it`);
  await Deno.remove(salts, { recursive: true });
});

Deno.test("TrackIngest.takeWhole() takes no body that is cut off, wherever that is, or goes on", async () => {
  const { senderOf, salts } = await senders();
  const rows = [
    '{"type":"track","payload":{"name":"a","properties":{"a":{"b":[1]},"c":{}},"profileId":"u"},"insertId":"i"}',
    '{"insertId":"i","type":"track","payload":{"profileId":"u","name":"a","properties":{"a":{}}}}',
    '{"type":"track","payload":{"name":"a","properties":{}}}',
    '{"type":"track","payload":{"name":"a"}}',
  ];
  for (const row of rows) {
    for (const batchOnly of [false, true]) {
      const body = batchOnly ? `{"events":[${row},${row}]}` : row;
      const takes = (text: string): boolean => takeBody(text, { senderOf, batchOnly, whole: true }).wentWhole;
      assert(takes(body), body);
      for (let size = 0; size < body.length; size++) {
        assert(!takes(body.slice(0, size)), body.slice(0, size));
        const holed = body.slice(0, size) + body.slice(size + 1);
        const [whole, windows] = [true, false].map((whole) =>
          takeBody(holed, { senderOf, batchOnly, whole })
        );
        assertEquals(whole.seen, windows.seen, holed);
      }
      for (const tail of ["}", "]", ",", "{}", "0", "\0", "x"]) assert(!takes(body + tail), body + tail);
    }
  }
  await Deno.remove(salts, { recursive: true });
});
