/**
 * Long streams of rows through both ways of a row to its record: whatever the kernel takes must become what the
 * schema's way makes of it, with the same sessions behind it.
 */

import { assert, assertEquals } from "@std/assert";
import { type ClientRules, noRules } from "../../../src/dialects/authority.ts";
import { eventKernelSource } from "../../../src/dialects/track/event_kernel_wasm.ts";
import { kernelPlans, sourceHash } from "../../../src/kernel_build.ts";
import { RowMaker } from "./row_maker.ts";
import { disturb, makeWay, minute, start, take, withSalts } from "./two_ways.ts";

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
