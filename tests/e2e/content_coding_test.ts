/**
 * Bodies with a Content-Encoding: taken, cut, damaged, and bombs.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  brotliCompressSync,
  constants,
  createBrotliCompress,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";
import { startDaemon } from "../support/daemon.ts";
import type { Reply } from "../support/http.ts";
import { event, postAlone, storedNames } from "./track_requests.ts";

const codings: Record<string, (text: string) => Uint8Array> = {
  gzip: (text) => new Uint8Array(gzipSync(text)),
  deflate: (text) => new Uint8Array(deflateSync(text)),
  br: (text) => new Uint8Array(brotliCompressSync(text)),
  zstd: (text) => new Uint8Array(zstdCompressSync(text)),
};

/** Rows whose texts do not repeat, so that each coding needs several blocks for them. */
function randomRows(prefix: string, count: number): unknown[] {
  let seed = 0x2545f491;
  const next = (): string => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return (seed >>> 0).toString(36);
  };
  const noise = (): string => Array.from({ length: 20 }, next).join("");
  return Array.from({ length: count }, (_, i) => event(`${prefix} ${i}`, { noise: noise() }));
}

function ndjson(rows: unknown[]): string {
  return rows.map((row) => JSON.stringify(row) + "\n").join("");
}

/** The lines of a streamed reply. */
function linesOf(reply: Reply | undefined): Record<string, unknown>[] {
  return (reply?.text ?? "").trimEnd().split("\n").map((line) => JSON.parse(line));
}

Deno.test("A body in any coding is taken, in one piece or in several", async (t) => {
  await using daemon = await startDaemon();
  const batch = `${daemon.url}/track/batch`;
  const expected: string[] = [];
  for (const [coding, encode] of Object.entries(codings)) {
    const headers = { "content-encoding": coding };
    await t.step(coding, async () => {
      const body = encode(JSON.stringify({ events: randomRows(coding, 1_500) }));
      const reply = await postAlone(batch, body, { headers });
      assertEquals([reply?.status, reply?.json], [202, { accepted: 1_500, rejected: [] }]);
      const single = await postAlone(
        `${daemon.url}/track`,
        encode(JSON.stringify(event(`${coding} alone`))),
        { headers },
      );
      assertEquals(single?.status, 200);
      expected.push(`${coding} alone`, ...Array.from({ length: 1_500 }, (_, i) => `${coding} ${i}`));
    });
  }
  for (const coding of ["gzip", "x-gzip", "zstd"]) {
    await t.step(`${coding}, several of them end to end`, async () => {
      const encode = codings[coding.replace("x-", "")];
      const pieces = randomRows(`pieces of ${coding}`, 300).map((row) => encode(JSON.stringify(row) + "\n"));
      const headers = { "content-type": "application/x-ndjson", "content-encoding": coding };
      const reply = await postAlone(batch, new Uint8Array(Buffer.concat(pieces)), { headers });
      assertEquals(linesOf(reply).at(-1), {
        done: true,
        through: 299,
        accepted: 300,
        rejected: 0,
        duplicates: 0,
      });
      expected.push(...Array.from({ length: 300 }, (_, i) => `pieces of ${coding} ${i}`));
    });
  }
  assertEquals(await storedNames(daemon), expected.sort());
});

Deno.test("A body that is not what its coding says is refused, and nothing of it stored", async (t) => {
  await using daemon = await startDaemon();
  const rows = randomRows("hush", 500);
  const text = JSON.stringify({ events: rows });
  for (const [coding, encode] of Object.entries(codings)) {
    const body = encode(text);
    const flipped = (at: number): Uint8Array => body.map((byte, i) => i === at ? byte ^ 0x55 : byte);
    const damages: [string, Uint8Array][] = [
      ["plain JSON", new TextEncoder().encode(text)],
      ["all but the last byte", body.subarray(0, -1)],
      ["all but the last eight", body.subarray(0, -8)],
      ["half of it", body.subarray(0, body.length / 2)],
      ["its first byte only", body.subarray(0, 1)],
      ["something behind it", Uint8Array.of(...body, 1, 2, 3, 4, 5, 6, 7, 8)],
      ["a damaged start", flipped(0)],
      ["another coding's body", codings[coding === "zstd" ? "gzip" : "zstd"](text)],
    ];
    // The others carry no checksum.
    if (coding === "gzip" || coding === "deflate") {
      damages.push(["a damaged checksum", flipped(body.length - (coding === "gzip" ? 8 : 4))]);
    }
    for (const [name, damaged] of damages) {
      await t.step(`${coding}: ${name}`, async () => {
        const reply = await postAlone(`${daemon.url}/track/batch`, damaged, {
          headers: { "content-encoding": coding },
        });
        assertEquals(
          [reply?.status, (reply?.json as { code?: string })?.code],
          [400, "bad_encoding"],
          reply?.text,
        );
      });
    }
    await t.step(`${coding}: a stream that is cut tells so, behind rows that are stored`, async () => {
      const whole = encode(ndjson(randomRows(`streamed as ${coding}`, 3_000)));
      const reply = await postAlone(`${daemon.url}/track/batch`, whole.subarray(0, whole.length / 2), {
        headers: { "content-type": "application/x-ndjson", "content-encoding": coding },
      });
      const { through, error, done } = linesOf(reply).at(-1) as {
        through: number;
        error?: { code: string };
        done?: true;
      };
      assertEquals(
        [reply?.status, error?.code, done],
        [202, "bad_encoding", undefined],
        reply?.text.slice(-300),
      );
      const stored = (await storedNames(daemon)).filter((name) => name.startsWith(`streamed as ${coding} `));
      assertEquals(stored.length, through + 1);
      assert(through > 100, `through is ${through}`);
    });
  }
  assertEquals((await storedNames(daemon)).filter((name) => name.startsWith("hush")), []);
});

const miB = 1024 * 1024;

/** 1 GiB of one byte, packed small. */
const bombs: Record<string, (byte: number) => Promise<Uint8Array>> = {
  // deno-lint-ignore require-await -- alike
  gzip: async (byte) => repeated(gzipSync(new Uint8Array(16 * miB).fill(byte), { level: 9 }), 64),
  // deno-lint-ignore require-await -- alike
  zstd: async (byte) => repeated(zstdCompressSync(new Uint8Array(16 * miB).fill(byte)), 64),
  br: async (byte) => {
    const packer = createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 3 } });
    const packed: Uint8Array[] = [];
    packer.on("data", (piece: Uint8Array) => packed.push(piece));
    const piece = new Uint8Array(16 * miB).fill(byte);
    for (let i = 0; i < 64; i++) await new Promise((resolve) => packer.write(piece, resolve));
    await new Promise<void>((resolve) => packer.on("end", () => resolve()).end());
    return new Uint8Array(Buffer.concat(packed));
  },
};

function repeated(bytes: Uint8Array, times: number): Uint8Array {
  return new Uint8Array(Buffer.concat(Array(times).fill(bytes)));
}

Deno.test("A gigabyte that comes as a megabyte or less is refused at its limit, in little memory", async (t) => {
  await using daemon = await startDaemon();
  const warm = { events: randomRows("warm", 2_000) };
  for (let i = 0; i < 3; i++) await postAlone(`${daemon.url}/track/batch`, JSON.stringify(warm));
  const before = await daemon.peakRssKb();
  for (const [coding, packed] of Object.entries(bombs)) {
    const spaces = await packed(0x20);
    assert(spaces.length < 1.1 * miB, `${spaces.length} bytes`);
    const targets = [["/track"], ["/track/batch"], ["/v1/sessions/S1/backend"], [
      "/track/batch",
      "application/x-ndjson",
    ]];
    for (const [path, type = "application/json"] of targets) {
      await t.step(`${coding} to ${path} as ${type}`, async () => {
        const headers = { "content-encoding": coding, "content-type": type };
        const reply = await postAlone(daemon.url + path, spaces, { headers });
        const { code } = type === "application/json"
          ? reply?.json as { code: string }
          : linesOf(reply).at(-1)!.error as { code: string };
        assertEquals([reply?.status, code], [type === "application/json" ? 413 : 202, "body_too_large"]);
      });
    }
  }
  const grown = await daemon.peakRssKb() - before;
  assert(grown < 128 * 1024, `grew by ${grown} KiB`);
});

Deno.test("A stream of nothing but line breaks holds up nobody", async () => {
  await using daemon = await startDaemon();
  const lines = new Uint8Array(gzipSync(new Uint8Array(32 * miB).fill(0x0a)));
  const headers = { "content-encoding": "gzip", "content-type": "application/x-ndjson" };
  const start = performance.now();
  let tookMs: number | undefined;
  const stream = postAlone(`${daemon.url}/track/batch`, lines, { headers }).finally(() => {
    tookMs = performance.now() - start;
  });
  let slowestMs = 0;
  while (tookMs === undefined) {
    const sent = performance.now();
    assertEquals((await postAlone(`${daemon.url}/track`, JSON.stringify(event("small"))))?.status, 200);
    slowestMs = Math.max(slowestMs, performance.now() - sent);
  }
  assertEquals(linesOf(await stream).at(-1), {
    done: true,
    through: -1,
    accepted: 0,
    rejected: 0,
    duplicates: 0,
  });
  assert(slowestMs < tookMs / 2, `a small request took ${slowestMs} ms of ${tookMs} ms`);
});
