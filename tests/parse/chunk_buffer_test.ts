import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { BufferPool } from "../../src/base/buffer_pool.ts";
import { ChunkBuffer } from "../../src/parse/chunk_buffer.ts";
import { seeded } from "./json_texts.ts";
import { toBytes, toText } from "./verdicts.ts";

Deno.test("ChunkBuffer.append() uses a chunk where it lies when nothing is kept", () => {
  const buffer = new ChunkBuffer();
  const chunk = toBytes("abc");
  assertEquals(buffer.append(chunk, 0, 0), 0);
  assertStrictEquals(buffer.bytes, chunk);
  assertEquals(buffer.capacity, 0);
});

Deno.test("ChunkBuffer.append() lays a chunk behind what is kept", () => {
  const buffer = new ChunkBuffer();
  buffer.append(toBytes("abcdef"), 0, 0);
  assertEquals(buffer.append(toBytes("ghi"), 2, 5), 4);
  assertEquals(toText(buffer.bytes.subarray(1)), "cdeghi");
  assertEquals(buffer.append(toBytes("j"), 2, 7), 7);
  assertEquals(toText(buffer.bytes.subarray(2)), "deghij");
});

Deno.test("ChunkBuffer.append() keeps the bytes it was told to, whatever their number", () => {
  const random = seeded(5);
  const buffer = new ChunkBuffer();
  let kept = "", from = 0, to = 0, most = 0;
  for (let i = 0; i < 5000; i++) {
    const chunk = String.fromCharCode(97 + i % 26).repeat(Math.floor(random() * 40));
    most = Math.max(most, kept.length + chunk.length);
    const at = buffer.append(toBytes(chunk), from, to);
    const all = kept + chunk;
    assertEquals(toText(buffer.bytes.subarray(at - kept.length)), all);
    const drop = Math.floor(random() * (all.length + 1));
    from = at - kept.length + drop;
    to = from + Math.floor(random() * (buffer.bytes.length - from + 1));
    kept = toText(buffer.bytes.subarray(from, to));
  }
  assert(buffer.capacity <= 2 * (1 + most), `capacity is ${buffer.capacity}`);
});

Deno.test("ChunkBuffer.append() seldom moves what it keeps, however small the chunks are", () => {
  const buffer = new ChunkBuffer();
  buffer.append(toBytes("x".repeat(1000)), 0, 0);
  let moves = 0;
  for (let i = 0, end = 1000; i < 20_000; i++) {
    const at = buffer.append(toBytes("x"), Math.max(end - 1900, 1), end);
    if (at < end) moves++;
    end = at + 1;
  }
  assert(moves <= 15, `${moves} moves of 1900 bytes for 20,000 bytes`);
});

Deno.test("ChunkBuffer gives its buffers back to their pool: when it grows, and in the end", () => {
  const pool = new BufferPool(1 << 20);
  const buffer = new ChunkBuffer(pool);
  buffer.append(toBytes("abc"), 0, 0);
  const at = buffer.append(toBytes("d".repeat(1_000)), 1, 3);
  const small = buffer.capacity;
  assertEquals(toText(buffer.bytes.subarray(at - 2, at + 2)), "bcdd");
  const grownAt = buffer.append(toBytes("e".repeat(5_000)), at - 2, at + 1_000);
  assertEquals(toText(buffer.bytes.subarray(grownAt - 1_002, grownAt + 1)), `bc${"d".repeat(1_000)}e`);
  assertEquals(pool.bytes, small);
  const grown = buffer.capacity;
  buffer.free();
  buffer.free();
  assertEquals([pool.bytes, buffer.capacity], [small + grown, 0]);
  assert(grown <= 3 * (1 + 1_002 + 5_000), `capacity is ${grown}`);
});
