import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { arrivedAt, trackRig } from "./post_track.ts";
import { assertSound } from "./sound_lines.ts";

const text = fc.string({ unit: "binary", maxLength: 20 }).map((value) => value.toWellFormed());
const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)));
const properties = fc.dictionary(
  fc.oneof(
    text,
    fc.constantFrom("__ip", "__identify", "__path", "__referrer", "__insertId", "__deviceId", "__bot"),
  ),
  fc.oneof(json, text),
  { maxKeys: 6 },
);
const time = fc.integer({ min: arrivedAt - 6 * 86_400_000, max: arrivedAt + 120_000 });
const named = fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" });
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });
const anyRow = fc.oneof(
  fc.record({
    type: fc.constant("track"),
    payload: fc.record({
      name: named,
      properties: fc.tuple(properties, optional(time)).map(([all, at]) => ({ ...all, __timestamp: at })),
      profileId: optional(fc.oneof(named, fc.integer())),
      groups: optional(fc.array(named, { maxLength: 3 })),
    }),
    insertId: optional(named),
  }),
  fc.record({
    type: fc.constant("identify"),
    payload: fc.record({ profileId: named, firstName: optional(text), properties: optional(properties) }),
    messageId: optional(named),
  }),
  fc.record({
    type: fc.constantFrom("increment", "decrement"),
    payload: fc.record({
      profileId: named,
      property: named,
      value: optional(fc.double({ min: 1e-9, max: 1e9, noNaN: true })),
    }),
  }),
  fc.record({
    type: fc.constant("group"),
    payload: fc.record({ id: named, type: named, name: named, properties: optional(properties) }),
  }),
  fc.record({
    type: fc.constant("assign_group"),
    payload: fc.record({ groupIds: fc.array(named), profileId: optional(named) }),
  }),
  fc.record({
    type: fc.constant("replay"),
    payload: fc.record({
      chunk_index: fc.nat(65_535),
      events_count: fc.integer({ min: 1 }),
      is_full_snapshot: fc.boolean(),
      started_at: fc.constant("2026-06-08T12:00:00Z"),
      ended_at: fc.constant("2026-06-08T12:00:00Z"),
      payload: text,
      sessionId: optional(fc.string({ unit: "grapheme", minLength: 1, maxLength: 10 })),
    }),
  }),
  json,
);

Deno.test("any row that is accepted is a sound line, whatever it holds and however its body is cut", async () => {
  await using rig = await trackRig();
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyRow, { minLength: 1, maxLength: 8 }),
      fc.constantFrom("default", "../up", 'p"ü\\', "a/b", "."),
      fc.constantFrom(1, 7, 64, 100_000),
      fc.boolean(),
      async (rows, project, chunkBytes, ndjson) => {
        const headers = { "openpanel-client-id": encodeLatin1(project) };
        const body = ndjson ? rows.map((row) => JSON.stringify(row)).join("\n") : { events: rows };
        const posted = await rig.post(body, { headers, ndjson, chunkBytes, whole: false });
        assertSound(posted);
        assertEquals(posted.accepted + posted.rejected.length, rows.length);
        assertEquals(posted.rejected.filter(({ reason }) => reason !== "validation"), []);
        accepted += posted.accepted;
      },
    ),
    { seed: 7400, numRuns: 600 },
  );
  assert(accepted > 1_000, `only ${accepted} rows were accepted`);
  assertEquals(rig.logged, []);
});

/** Headers hold one byte a character. */
function encodeLatin1(text: string): string {
  return text.replace(/[^\u0020-\u00ff]/g, "?");
}
