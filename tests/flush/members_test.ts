import { assertEquals, assertThrows } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { compressMember, maxStoredBytes, memberBytes, readMember } from "../../src/flush/members.ts";

function noise(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0, x = 20261120; i < size; i++) {
    bytes[i] = (x = (Math.imul(x, 1664525) + 1013904223) >>> 0) >>> 24;
  }
  return bytes;
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const contents = [
  new Uint8Array(0),
  new Uint8Array([1]),
  new Uint8Array(16384).fill(7),
  new Uint8Array(memberBytes).fill(65),
  noise(memberBytes),
  noise(300_000),
];

for (const compression of ["gzip", "zstd"] as const) {
  Deno.test(`readMember() reads one ${compression} member and ignores what follows`, () => {
    for (const content of contents) {
      const member = compressMember(compression, content);
      for (const next of contents) {
        const read = readMember(compression, joined(member, compressMember(compression, next)));
        assertEquals(read.storedBytes, member.length);
        assertEquals(read.data.length, content.length);
        assertEquals(read.data.every((byte, i) => byte === content[i]), true);
      }
      assertEquals(member.length <= maxStoredBytes, true);
    }
  });

  Deno.test(`readMember() refuses a ${compression} member that is cut off or damaged`, () => {
    const member = compressMember(compression, noise(5000));
    for (const end of [0, 1, 5, 9, 12, 100, member.length - 1]) {
      assertThrows(() => readMember(compression, member.subarray(0, end)));
    }
    const damaged = member.slice();
    damaged[2500] ^= 1;
    assertThrows(() => readMember(compression, damaged));
    assertThrows(() => readMember(compression, noise(1000)));
  });

  Deno.test(`${compression} members joined are a file that the tool of that name accepts`, async () => {
    const file = joined(...contents.map((content) => compressMember(compression, content)));
    const size = contents.reduce((sum, { length }) => sum + length, 0);
    if (compression === "gzip") assertEquals(gunzipSync(file).length, size);
    const path = await Deno.makeTempFile({ suffix: compression === "gzip" ? ".gz" : ".zst" });
    try {
      await Deno.writeFile(path, file);
      const { success, stdout } = await new Deno.Command(compression, { args: ["-dc", path] }).output();
      assertEquals([success, stdout.length], [true, size]);
    } catch (error) {
      // The tool is not installed everywhere; the other half of the test was run.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    } finally {
      await Deno.remove(path);
    }
  });
}
