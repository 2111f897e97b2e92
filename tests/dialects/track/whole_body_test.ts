/**
 * Bodies that are taken in one go, held against the windows' way: both must write the same, or nothing.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { systemClock } from "../../../src/base/clock.ts";
import { IdSource } from "../../../src/base/ids.ts";
import { Outcomes } from "../../../src/base/outcome.ts";
import { frameHeaderBytes, Unit } from "../../../src/base/record.ts";
import { defaultConfig } from "../../../src/config/schema.ts";
import type { Inbound, Services } from "../../../src/dialects/dialect.ts";
import { TrackIngest } from "../../../src/dialects/track/apply.ts";
import type { Sender } from "../../../src/dialects/track/sender.ts";
import { JsonRows } from "../../../src/parse/json_rows.ts";
import type { RowWindow } from "../../../src/parse/window.ts";
import { plainRow, row } from "./any_rows.ts";
import { arrivedAt, limits, senders } from "./plain_senders.ts";

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
