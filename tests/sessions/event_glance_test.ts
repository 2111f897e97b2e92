import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { rowPlace, Unit } from "../../src/base/record.ts";
import { eventGlance } from "../../src/sessions/event_glance.ts";
import { readColumns, readMovingColumns } from "../../src/sessions/session_rows.ts";

const moving = ["profile_id", "path", "origin", "query", "referrer", "referrer_name", "referrer_type"];
const place = rowPlace("event", "p", "2026-11-20");
const time = "2026-11-20T18:00:00.000Z";
const id = "00000000-0000-7000-8000-00000000000a";

/** A unit of these lines. */
function unitOf(lines: readonly string[]): Unit {
  const unit = new Unit();
  for (const line of lines) {
    unit.writer.text(line);
    unit.close(place);
  }
  return unit;
}

const text = fc.oneof(
  fc.constantFrom("", "/a/b", "https://example.com", "?x=1", 'q"', "b\\", "é", "x".repeat(600)),
  fc.string({ maxLength: 8 }),
);
/** In the order in which columns are written. */
const event = fc.record({
  insert_id: text,
  device_id: text,
  session_id: text,
  name: fc.oneof(text, fc.constant("profile_id")),
  profile_id: text,
  path: text,
  origin: text,
  query: text,
  hash: text,
  referrer: text,
  referrer_name: text,
  referrer_type: text,
  revenue: fc.nat(),
  os: text,
  model: text,
  region: text,
  longitude: fc.double({ noNaN: true, noDefaultInfinity: true }),
  groups: fc.array(text, { maxLength: 2 }),
}, { requiredKeys: ["device_id", "session_id", "name", "profile_id"] });

Deno.test("eventGlance() reads of events as they are written what readMovingColumns() does, in any order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(text, event), { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(3), { maxLength: 6 }),
      (events, order) => {
        const lines = events.map(([project, columns]) => {
          const head = { kind: "event", project_id: project, created_at: time, id };
          return JSON.stringify({ ...head, ...columns, properties: { path: "no" } });
        });
        const glance = eventGlance(unitOf(lines));
        for (const record of order) {
          const i = record % lines.length;
          const all = readColumns(new TextEncoder().encode(lines[i]));
          const seen = glance(i);
          assertEquals(moving.map((name) => [name, seen[name]]), moving.map((name) => [name, all[name]]));
        }
      },
    ),
    { seed: 20261121, numRuns: 2_000 },
  );
});

Deno.test("eventGlance() leaves a line that is laid out otherwise to readMovingColumns()", () => {
  for (
    const line of [
      `{"kind":"event","project_id":"p","created_at":"+012026-11-20T18:00:00.000Z","id":"${id}","path":"/a"}`,
      '{"kind":"event","path":"/a"}',
      "{}",
      '{"kind":"event","project_id":"',
    ]
  ) {
    const unit = unitOf([line, `{"kind":"event"}`]);
    assertEquals(eventGlance(unit)(0), readMovingColumns(new TextEncoder().encode(line)), line);
  }
});

Deno.test("eventGlance() keeps no more of a line than the texts it was asked for", () => {
  const long = "x".repeat(100_000);
  const line = JSON.stringify({
    kind: "event",
    project_id: "p",
    created_at: time,
    id,
    name: "a",
    path: long,
  });
  assertEquals(eventGlance(unitOf([line]))(0).path, long);
});
