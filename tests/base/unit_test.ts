import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { frameHeaderBytes, type Identity, type Place, Unit } from "../../src/base/record.ts";

interface Record {
  line: string;
  place: Place;
  identity: Identity | undefined;
}

/** A unit as a list of records and the text of the one that is open. */
interface Model {
  records: Record[];
  open: string;
}

type Step = (unit: Unit, model: Model) => void;

const decoder = new TextDecoder();
let serial = 0;

function placeOf(n: number): Place {
  return { family: "rows", partition: `events/project=${n}/date=2026-11-20` };
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.string({ unit: "binary", maxLength: 60 }).map((text): Step => (unit, model) => {
      const written = text.toWellFormed();
      unit.writer.text(written);
      model.open += written;
    }),
  },
  {
    weight: 4,
    arbitrary: fc.boolean().map((identified): Step => (unit, model) => {
      const n = serial++;
      const identity = identified
        ? { key: `k${n}`, row: n, memo: { deviceId: "", sessionId: "" } }
        : undefined;
      unit.close(placeOf(n), identity);
      model.records.push({ line: model.open + "\n", place: placeOf(n), identity });
      model.open = "";
    }),
  },
  fc.constant<Step>((unit, model) => {
    unit.abandon();
    model.open = "";
  }),
  fc.nat(100).map((n): Step => (unit, model) => {
    const mark = Math.min(n, unit.mark());
    unit.rollback(mark);
    model.records.length = mark;
    model.open = "";
  }),
  fc.integer().map((seed): Step => (unit, model) => {
    const isDropped = (i: number): boolean => ((seed >> (i % 31)) & 1) === 1;
    const asked: number[] = [];
    unit.drop((i) => {
      asked.push(i);
      return isDropped(i);
    });
    assertEquals(asked, model.records.map((_, i) => i));
    model.records = model.records.filter((_, i) => !isDropped(i));
  }),
);

function assertSame(unit: Unit, model: Model): void {
  assertEquals(unit.count, model.records.length);
  assertEquals(unit.places, model.records.map(({ place }) => place));
  assertEquals(unit.identities, model.records.map(({ identity }) => identity));
  const lines = unit.starts.map((start, i) => decoder.decode(unit.writer.view(start, unit.end(i))));
  assertEquals(lines, model.records.map(({ line }) => line));
  const all = decoder.decode(unit.writer.view(frameHeaderBytes));
  assertEquals(all, model.records.map(({ line }) => line).join("") + model.open);
}

Deno.test("Unit holds the records that a list would hold after the same calls", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(200), (steps, capacity) => {
      const unit = new Unit(capacity);
      const model: Model = { records: [], open: "" };
      for (const run of steps) {
        run(unit, model);
        assertSame(unit, model);
      }
    }),
    { seed: 7400, numRuns: 400 },
  );
});

Deno.test("Unit.rollback() to a mark forgets the records after it and what was half written", () => {
  const unit = new Unit();
  unit.writer.text("{}");
  unit.close(placeOf(1));
  const mark = unit.mark();
  unit.writer.text('{"a":1}');
  unit.close(placeOf(2));
  unit.writer.text('{"half');
  unit.rollback(mark);
  unit.writer.text("[]");
  unit.close(placeOf(3));
  assertSame(unit, {
    records: [
      { line: "{}\n", place: placeOf(1), identity: undefined },
      { line: "[]\n", place: placeOf(3), identity: undefined },
    ],
    open: "",
  });
});

Deno.test("Unit keeps the room for the frame's header in front of its records", () => {
  const unit = new Unit(0);
  unit.writer.text("x".repeat(10_000));
  unit.close(placeOf(1));
  assertEquals(unit.starts, [frameHeaderBytes]);
  assertEquals([...unit.writer.view(0, frameHeaderBytes)], new Array(frameHeaderBytes).fill(0));
});
