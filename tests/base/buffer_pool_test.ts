import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { BufferPool, pooledBytes } from "../../src/base/buffer_pool.ts";
import { ByteWriter } from "../../src/base/byte_writer.ts";
import { frameHeaderBytes, Unit } from "../../src/base/record.ts";

Deno.test("BufferPool.take() gives at least what was asked for, of every size", () => {
  const pool = new BufferPool(2 ** 30);
  for (const bytes of [0, 1, 2_047, 2_048, 2_049, 65_536, 65_537, 2 ** 22, 2 ** 22 + 1, 10_000_000]) {
    for (let i = 0; i < 3; i++) {
      const buffer = pool.take(bytes);
      assertEquals(buffer.length, pooledBytes(bytes));
      assert(buffer.length >= bytes && buffer.length < Math.max(4_096, 2 * bytes));
      pool.give(buffer);
    }
  }
});

Deno.test("BufferPool hands a buffer out again, to one at a time", () => {
  const pool = new BufferPool(1_000_000);
  const first = pool.take(5_000);
  pool.give(first);
  assertEquals(pool.bytes, 8_192);
  const again = pool.take(8_192);
  assertStrictEquals(again, first);
  assert(pool.take(8_192) !== first);
  assertEquals(pool.bytes, 0);
});

Deno.test("BufferPool keeps large buffers, up to 32 MiB", () => {
  const pool = new BufferPool(2 ** 30);
  const large = pool.take(20_000_000);
  pool.give(large);
  assertEquals(pool.bytes, 20 * 2 ** 20);
  assertStrictEquals(pool.take(18 * 2 ** 20), large);
  pool.give(pool.take(2 ** 25));
  assertEquals(pool.bytes, 2 ** 25);
  pool.give(pool.take(2 ** 25 + 1));
  assertEquals(pool.bytes, 2 ** 25);
});

Deno.test("BufferPool gives up the largest buffers for one that is smaller, and none for one that is not", () => {
  const pool = new BufferPool(9 * 2 ** 20);
  const buffers = [2 ** 23, 2 ** 19, 2 ** 18].map((bytes) => pool.take(bytes));
  for (const buffer of buffers) pool.give(buffer);
  const before = pool.bytes;
  pool.give(new Uint8Array(2 ** 23));
  assertEquals(pool.bytes, before);
  pool.give(new Uint8Array(2 ** 20));
  assertEquals(pool.bytes, 2 ** 20 + 2 ** 19 + 2 ** 18);
  assert(pool.take(2 ** 23) !== buffers[0]);
  assertStrictEquals(pool.take(2 ** 19), buffers[1]);
});

Deno.test("BufferPool keeps no more than it may, and nothing that it did not make", () => {
  const pool = new BufferPool(10_000);
  for (let i = 0; i < 10; i++) pool.give(new Uint8Array(4_096));
  assertEquals(pool.bytes, 8_192);
  for (const size of [0, 1, 1_024, 3_000, 2 ** 23]) pool.give(new Uint8Array(size));
  assertEquals(pool.bytes, 8_192);
});

Deno.test("ByteWriter and Unit write the same into buffers that were used before", () => {
  const pool = new BufferPool(1_000_000);
  for (let i = 0; i < 20; i++) pool.give(new Uint8Array(2_048).fill(0xee));
  const unit = new Unit(100, pool);
  const text = "é".repeat(5_000);
  unit.writer.json(text);
  unit.close({ family: "rows", partition: "events/project=p/date=2026-11-20" });
  const line = new TextDecoder().decode(unit.writer.view(frameHeaderBytes));
  assertEquals(line, JSON.stringify(text) + "\n");
  const before = pool.bytes;
  unit.writer.free();
  assert(pool.bytes > before);
});

Deno.test("ByteWriter.free() gives its buffer back once", () => {
  const pool = new BufferPool(1_000_000);
  const writer = new ByteWriter(2_048, 0, pool);
  writer.free();
  writer.free();
  assertEquals([pool.bytes, writer.length], [2_048, 0]);
});
