/**
 * Bodies whose rows are found by the kernel that reads them, held against the same bodies scanned for rows and read by
 * the schema: the same verdicts, records and sessions, wherever the chunks are cut.
 */

import { assert, assertEquals } from "@std/assert";
import { Outcomes } from "../../../src/base/outcome.ts";
import { Unit } from "../../../src/base/record.ts";
import { defaultConfig } from "../../../src/config/schema.ts";
import type { Inbound, Services } from "../../../src/dialects/dialect.ts";
import { TrackIngest } from "../../../src/dialects/track/apply.ts";
import { RowStretch } from "../../../src/parse/row_stretch.ts";
import { TextMaker } from "../../parse/json_texts.ts";
import { cutAt, inPieces, toBytes } from "../../parse/verdicts.ts";
import { RowMaker } from "./row_maker.ts";
import { disturb, makeWay, minute, start, takeSent, withSalts } from "./two_ways.ts";

const format = "body";
const common = [
  '{"type":"track","payload":{"name":"a","properties":{"__deviceId":"d-1","t":"é😀],[{"},"profileId":"u"}}',
  '{"insertId":"i","type":"track","payload":{"name":"b","properties":{"a":[1,{"b":"\\"}"}],"__path":"/x"}}}',
  '{"type":"track","payload":{"name":"a"}}',
];
const rare = [
  '{"type":"identify","payload":{"profileId":"u"}}',
  '{"type":"track","payload":{"name":"\\u0061"}}',
  '{"type":"track","payload":{"name":""}}',
  '{"type":\n"track","payload":{"name":"a"}}',
  "[]",
  "12",
];

Deno.test("a body is what it is whoever finds its rows, cut at every byte", async () => {
  await withSalts((salts) => {
    let listed = 0;
    for (
      const text of [
        `{"events":[${common.join(",")}]}`,
        `{"a":1, "events" : [ ${common.join(" ,\n")} ] , "b":[]}`,
        `{"events":[${common[0]},${rare.join(",")},${common.join(",")}]}`,
        `{"events":[${common.join(",")},]}`,
        `{"events":[${common.join(",")}}]}`,
        `{"events":[${common.join("")}]}`,
        `{"events":[${common[0]},,${common[1]}]}`,
        `{"events":[${common[0]} x,${common[1]}]}`,
        `{"events":[${common[0]},${common[1]}`,
        `{"events":[${common[0]}:1]}`,
        `{"events":[${common.join(",")}],"events":[]}`,
      ]
    ) {
      const body = toBytes(text);
      for (let cut = 0; cut < body.length; cut++) {
        const chunks = cutAt(body, [cut, Math.min(body.length, cut + 9)]);
        for (const limits of [{}, { maxRows: 2 }, { maxRowBytes: 100 }]) {
          const [fast, slow] = [true, false].map((isFast) => makeWay({ salts, isFast }));
          const sent = { arrivedAt: start, number: 0, chunks, format, limits } as const;
          assertEquals(takeSent(fast, sent), takeSent(slow, sent), `cut at ${cut}: ${text}`);
          listed += fast.listed;
        }
      }
    }
    assert(listed > 5_000, `only ${listed} rows were found by the kernel`);
  });
});

Deno.test("a damaged body is refused for the same reason whoever finds its rows", async () => {
  await withSalts((salts) => {
    let refused = 0;
    for (let seed = 0; seed < 1_500; seed++) {
      const maker = new TextMaker(seed);
      const rows = Array.from(
        { length: 1 + maker.below(8) },
        () => maker.pick([...common, ...common, ...rare]),
      );
      const body = maker.bytes(maker.broken(`{"events":[${rows.join(maker.pick([",", ", ", ",\n"]))}]}`));
      const chunks = maker.pick([[body], inPieces(body, 90), cutAt(body, maker.cuts(body.length, 4))]);
      const limits = { windowRows: maker.pick([1, 2, 50]) };
      const [fast, slow] = [true, false].map((isFast) =>
        takeSent(makeWay({ salts, isFast }), { arrivedAt: start, number: 0, chunks, format, limits })
      );
      assertEquals(fast, slow, new TextDecoder().decode(body));
      if (typeof fast === "object" && fast !== null && "error" in fast) refused++;
    }
    assert(refused > 500 && refused < 1_450, `${refused} bodies were refused`);
  });
});

Deno.test("long bodies leave the same records and sessions whoever finds their rows, in pieces", async () => {
  await withSalts((salts) => {
    const [fast, slow] = [true, false].map((isFast) => makeWay({ salts, isFast }));
    const own = [start, start + 60 * minute].map((time) => slow.senders[0].deviceAt(time, time));
    const rows = new RowMaker(21, own);
    const { maker } = rows;
    let now = start;
    let given = 0;
    for (let turn = 0; turn < 150; turn++) {
      now += maker.pick([0, 1, 1_000, 5 * minute, 31 * minute]);
      const list = Array.from({ length: 1 + maker.below(300) }, () => rows.row(now)).filter(isJson);
      given += list.length;
      const body = toBytes(`{"events":[${list.join(maker.pick([",", ",", " ,\r\n"]))}]}`);
      const chunks = maker.pick([
        [body],
        inPieces(body, 65_536),
        inPieces(body, 1_400),
        cutAt(body, maker.cuts(body.length, 5)),
      ]);
      const number = maker.below(5) === 0 ? 1 : 0;
      const limits = { windowRows: maker.pick([1, 1, 2, 50]) };
      const sent = { arrivedAt: now, number, chunks, format, limits } as const;
      assertEquals(takeSent(fast, sent), takeSent(slow, sent));
      disturb([fast.book, slow.book], maker);
    }
    assert(fast.listed > given / 8, `only ${fast.listed} of ${given} rows were found by the kernel`);
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

Deno.test("the kernel finds all rows of a long body of common events", async () => {
  await withSalts((salts) => {
    const body = toBytes(`{"events":[${Array(900).fill(common).flat().join(",")}]}`);
    for (const size of [1_000, 65_536, body.length]) {
      const [fast, slow] = [true, false].map((isFast) => makeWay({ salts, isFast }));
      const sent = { arrivedAt: start, number: 0, chunks: inPieces(body, size), format } as const;
      assertEquals(takeSent(fast, sent), takeSent(slow, sent));
      assertEquals(fast.listed, 2_700, `in pieces of ${size}`);
    }
  });
});

Deno.test("TrackIngest.takeStretch() leaves rows alone where nesting is limited below the common shape", async () => {
  await withSalts((salts) => {
    for (const [depth, rows] of [[37, 0], [38, 1]]) {
      const { senders: [sender] } = makeWay({ salts, isFast: true });
      const config = defaultConfig();
      const ingest = new TrackIngest({
        inbound: { arrivedAt: start, headers: new Headers() } as Inbound,
        services: {
          config: { ...config, limits: { ...config.limits, max_depth: depth } },
        } as unknown as Services,
        credentials: { id: "p", secret: undefined, origin: undefined },
        senderOf: () => sender,
        batchOnly: true,
      }, { sender });
      const bytes = toBytes(`${common[2]}]}`);
      const stretch = new RowStretch({ bytes, start: 0, end: bytes.length, firstIndex: 0, maxRows: 9 });
      const outcomes = new Outcomes();
      ingest.takeStretch(stretch, new Unit(), outcomes);
      assertEquals([stretch.rows, outcomes.accepted, stretch.isLast], [rows, rows, rows === 1]);
    }
  });
});
