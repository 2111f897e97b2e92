import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ByteWriter } from "../../src/base/byte_writer.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** One call of the writer, with what it does to an array of bytes. */
type Step = (writer: ByteWriter, model: number[], reserved: number) => void;

const bytes = fc.uint8Array({ maxLength: 300 });
const text = fc.string({ unit: "binary", maxLength: 100 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.string({ unit: "binary-ascii", maxLength: 100 }).map((ascii): Step => (writer, model) => {
    writer.ascii(ascii);
    model.push(...encoder.encode(ascii));
  }),
  text.map((any): Step => (writer, model) => {
    writer.text(any);
    model.push(...encoder.encode(any));
  }),
  text.map((any): Step => (writer, model) => {
    writer.json(any);
    model.push(...encoder.encode(JSON.stringify(any)));
  }),
  fc.integer({ min: 0, max: 255 }).map((value): Step => (writer, model) => {
    writer.byte(value);
    model.push(value);
  }),
  fc.tuple(bytes, fc.nat(300), fc.nat(300)).map(([all, a, b]): Step => (writer, model) => {
    const [start, end] = [Math.min(a, b, all.length), Math.min(Math.max(a, b), all.length)];
    writer.raw(all, start, end);
    model.push(...all.subarray(start, end));
  }),
  bytes.map((all): Step => (writer, model) => {
    const room = writer.room(all.length + 10);
    room.set(all, writer.length);
    writer.advance(writer.length + all.length);
    model.push(...all);
  }),
  fc.tuple(fc.nat(), fc.nat()).map(([a, b]): Step => (writer, model, reserved) => {
    const span = model.length - reserved + 1;
    const [x, y] = [reserved + a % span, reserved + b % span];
    writer.remove(Math.min(x, y), Math.max(x, y));
    model.splice(Math.min(x, y), Math.abs(x - y));
  }),
  fc.nat(2_000).map((length): Step => (writer, model, reserved) => {
    writer.truncate(Math.max(reserved, length));
    model.length = Math.min(model.length, Math.max(reserved, length));
  }),
);

Deno.test("ByteWriter holds what an array of bytes would hold after the same calls", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 40 }),
      fc.nat(64),
      fc.constantFrom(0, 8),
      (steps, capacity, reserved) => {
        const writer = new ByteWriter(capacity, reserved);
        const model: number[] = new Array(reserved).fill(0);
        for (const run of steps) {
          run(writer, model, reserved);
          assertEquals(writer.length, model.length);
        }
        assertEquals([...writer.view()], model);
        assertEquals(writer.capacity >= writer.length, true);
      },
    ),
    { seed: 7400, numRuns: 300 },
  );
});

Deno.test("ByteWriter grows from nothing to megabytes without losing a byte", () => {
  const writer = new ByteWriter(0);
  for (let i = 0; i < 300_000; i++) writer.text(`é${i % 10}`);
  assertEquals(writer.length, 900_000);
  assertEquals(decoder.decode(writer.view(899_970)), "é0é1é2é3é4é5é6é7é8é9");
  const large = new Uint8Array(5_000_000).fill(7);
  writer.raw(large);
  assertEquals(writer.length, 5_900_000);
  assertEquals(writer.view(900_000)[4_999_999], 7);
});

Deno.test("ByteWriter.json() escapes what JSON must escape, also where only half a pair was given", () => {
  const texts = [
    '"',
    "\\",
    "\n\r\t\b\f",
    "\u0000\u001f\u007f",
    "\u2028\u2029",
    "\ud800",
    "a\udfffb",
    "😀",
    "",
  ];
  for (const given of texts) {
    const writer = new ByteWriter(4);
    writer.json(given);
    assertEquals(JSON.parse(decoder.decode(writer.view())), given);
  }
});

Deno.test("ByteWriter.text() writes U+FFFD for half a pair", () => {
  const writer = new ByteWriter(4);
  writer.text("a\ud800b");
  assertEquals(decoder.decode(writer.view()), "a\ufffdb");
});

Deno.test("ByteWriter.raw() copies from its own buffer while it grows", () => {
  const writer = new ByteWriter(0);
  writer.ascii("0123456789");
  for (let i = 0; i < 8; i++) writer.raw(writer.view());
  assertEquals(decoder.decode(writer.view()), "0123456789".repeat(256));
});
