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
import { TrackIngest } from "../../../src/dialects/track/apply.ts";
import type { Sender } from "../../../src/dialects/track/sender.ts";
import { JsonRows } from "../../../src/parse/json_rows.ts";
import { row } from "./any_rows.ts";
import { arrivedAt, limits, senders } from "./plain_senders.ts";

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
