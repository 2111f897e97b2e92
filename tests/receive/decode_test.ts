import { assert, assertEquals, assertRejects, assertThrows, fail } from "@std/assert";
import { setImmediate } from "node:timers";
import { brotliCompressSync, deflateRawSync } from "node:zlib";
import { WeirError } from "../../src/base/errors.ts";
import { decoded } from "../../src/receive/decode.ts";
import { tempDir } from "../support/temp.ts";
import { encoders, gzipBomb, joined, randomBytes, skippable, zstdBomb, zstdFrame } from "./encoded.ts";

const decodeModule = new URL("../../src/receive/decode.ts", import.meta.url).href;
/** Larger than any decoder's own buffers, half of it incompressible. */
const sample = joined([randomBytes(150_000), new TextEncoder().encode('{"row":1}\n'.repeat(20_000))]);
/** Small enough to be tried at every position. */
const small = new TextEncoder().encode(Array.from({ length: 60 }, (_, i) => `{"n":${i * i}}`).join("\n"));

async function* pieces(bytes: Uint8Array, size = bytes.length): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function decode(coding: string, bytes: Uint8Array, size?: number): Promise<Uint8Array> {
  const out: Uint8Array[] = [];
  for await (const piece of decoded(coding, pieces(bytes, size))) out.push(piece);
  return joined(out);
}

async function assertBad(coding: string, bytes: Uint8Array, what: string): Promise<void> {
  try {
    await decode(coding, bytes);
  } catch (error) {
    assert(error instanceof WeirError, `${what}: ${error}`);
    assertEquals(error.code, "bad_encoding", what);
    return;
  }
  fail(`${what} was taken for ${coding}`);
}

for (const [coding, encode] of Object.entries(encoders)) {
  Deno.test(`decoded() undoes ${coding} at every chunking`, async () => {
    for (const bytes of [small, sample, new Uint8Array(0), Uint8Array.of(7)]) {
      const body = encode(bytes);
      for (const size of bytes === small ? [1, 2, 3, 5] : []) {
        assertEquals(await decode(coding, body, size), small);
      }
      for (const size of [4_096, 65_536, body.length]) assertEquals(await decode(coding, body, size), bytes);
    }
  });

  Deno.test(`decoded() refuses ${coding} that is cut off, wherever that is`, async () => {
    const body = encode(small);
    for (let size = 0; size < body.length; size++) {
      await assertBad(coding, body.subarray(0, size), `${size} of ${body.length} bytes`);
    }
    const large = encode(sample);
    for (const cut of [1, 2, 3, 4, 5, 8, 9, 100, 70_000, large.length - 1]) {
      await assertBad(coding, large.subarray(0, large.length - cut), `${cut} bytes less`);
    }
  });

  Deno.test(`decoded() refuses ${coding} with something behind it`, async () => {
    for (const tail of ["garbage", "\0", '{"a":1}\n']) {
      for (const bytes of [small, sample]) {
        await assertBad(
          coding,
          joined([encode(bytes), new TextEncoder().encode(tail)]),
          JSON.stringify(tail),
        );
      }
    }
  });

  Deno.test(`decoded() refuses garbage as ${coding}`, async () => {
    for (const bytes of [small, new TextEncoder().encode("not compressed at all"), new Uint8Array(300)]) {
      await assertBad(coding, bytes, "garbage");
    }
    for (const other of Object.keys(encoders)) {
      if (other !== coding) await assertBad(coding, encoders[other](small), `${other} as ${coding}`);
    }
  });

  Deno.test(`decoded() ends well or with bad_encoding when a byte of ${coding} is wrong`, async () => {
    let refused = 0;
    const attempt = async (body: Uint8Array, at: number, mask: number): Promise<void> => {
      const damaged = Uint8Array.from(body);
      damaged[at] ^= mask;
      try {
        await decode(coding, damaged, 4_096);
      } catch (error) {
        assert(error instanceof WeirError && error.code === "bad_encoding", String(error));
        refused++;
      }
    };
    const body = encode(small);
    for (let at = 0; at < body.length; at++) await attempt(body, at, at % 2 ? 0xff : 1);
    const large = encode(sample);
    for (let i = 0; i < 40; i++) await attempt(large, Math.floor(large.length * i / 40), 0xff);
    await attempt(large, large.length - 1, 0xff);
    // Brotli has no checksum: much of what is wrong is only other text.
    assert(refused > (coding === "br" ? 20 : 60), `${refused} refused`);
  });

  Deno.test(`decoded() of ${coding} tells what the body itself failed with`, async () => {
    const body = encode(sample);
    const gone = new WeirError("malformed_json", "The body was cut off before its announced end");
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces(body.subarray(0, 1_000), 100);
      throw gone;
    };
    const error = await assertRejects(async () => {
      for await (const _ of decoded(coding, failing()));
    });
    assertEquals(error, gone);
  });

  Deno.test(`decoded() of ${coding} lets go of body and decoder when nobody reads on`, async () => {
    let isReleased = false;
    const body = encode(sample);
    const watched = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield* pieces(body, 1_000);
      } finally {
        isReleased = true;
      }
    };
    for await (const piece of decoded(coding, watched())) {
      assert(piece.length > 0);
      break;
    }
    assert(isReleased);
  });

  Deno.test(`decoded() of ${coding} takes no chunk before all of the last one came out`, async () => {
    const body = encode(sample);
    let asked = 0;
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const piece of pieces(body, 1_000)) {
        asked++;
        yield piece;
      }
    };
    let out = 0;
    let seen = 0;
    for await (const piece of decoded(coding, counted())) {
      out += piece.length;
      seen = asked;
      await new Promise((resolve) => queueMicrotask(() => setImmediate(resolve)));
      assertEquals(asked, seen, "nothing runs ahead of its reader");
      if (out > 100_000) break;
    }
  });
}

Deno.test("decoded() reads gzip of several members, and zstd of several frames, as one body", async () => {
  const twice = joined([sample, small, sample]);
  const gzip = joined([sample, small, sample].map(encoders.gzip));
  const zstd = joined([
    skippable(3),
    zstdFrame(sample),
    skippable(70_000),
    zstdFrame(small, { checksum: true }),
    zstdFrame(new Uint8Array(0)),
    zstdFrame(sample, { checksum: true }),
    skippable(0),
  ]);
  for (const size of [61, 4_096, gzip.length, zstd.length]) {
    assertEquals(await decode("gzip", gzip, size), twice);
    assertEquals(await decode("x-gzip", gzip, size), twice);
    assertEquals(await decode("zstd", zstd, size), twice);
  }
});

Deno.test("decoded() reads brotli and zstd of the highest quality that HTTP allows", async () => {
  const text = new TextEncoder().encode("A sentence, and another one. ".repeat(50_000));
  assertEquals(await decode("br", brotliCompressSync(text)), text);
});

Deno.test("decoded() refuses deflate without its zlib wrapper, and codings that are none or several", async () => {
  await assertBad("deflate", deflateRawSync(small), "raw deflate");
  for (const coding of ["identity", "gzip, br", "compress", "", "toString", "__proto__", "GZIP"]) {
    const error = assertThrows(() => decoded(coding, pieces(small)), WeirError);
    assertEquals([error.code, error.headers?.["accept-encoding"]], [
      "unsupported_encoding",
      "gzip, deflate, br, zstd",
    ]);
  }
});

Deno.test("decoded() needs little memory for bodies that are mostly nothing", async () => {
  await using dir = await tempDir();
  const bombs = {
    gzip: await gzipBomb(400),
    br: brotliCompressSync(new Uint8Array(64 * 1024 * 1024).fill(0x20)),
    zstd: zstdBomb(8_192),
  };
  const script = `${dir.path}/bomb.ts`;
  await Deno.writeTextFile(
    script,
    `import { decoded } from ${JSON.stringify(decodeModule)};
    const [coding, file] = Deno.args;
    const bytes = Deno.readFileSync(file);
    const before = Deno.memoryUsage().rss;
    let peak = before, size = 0;
    for await (const piece of decoded(coding, (async function* () { yield bytes; })())) {
      size += piece.length;
      peak = Math.max(peak, Deno.memoryUsage().rss);
    }
    console.log(JSON.stringify({ size, grown: peak - before }));`,
  );
  for (const [coding, bytes] of Object.entries(bombs)) {
    await Deno.writeFile(`${dir.path}/${coding}`, bytes);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--allow-read", script, coding, `${dir.path}/${coding}`],
      stdin: "null",
    }).output();
    assertEquals(new TextDecoder().decode(stderr), "");
    const { size, grown } = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals(size, { gzip: 400, br: 64, zstd: 1_024 }[coding]! * 1024 * 1024);
    assert(grown < 256 * 1024 * 1024, `${coding} took ${grown} bytes`);
  }
});
