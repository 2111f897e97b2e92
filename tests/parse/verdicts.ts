/**
 * What a body is, said twice: by `JSON.parse` on the whole, and by the rooms under test, fed in pieces.
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { assert, assertEquals, AssertionError } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import { JsonRows } from "../../src/parse/json_rows.ts";
import { NdjsonRows } from "../../src/parse/ndjson_rows.ts";
import type { RowLimits, RowSource, RowWindow } from "../../src/parse/window.ts";

/** Limits that nothing in these tests reaches, unless they say so. */
export const wide: RowLimits = {
  maxRows: Infinity,
  maxRowBytes: 1 << 30,
  maxDepth: 100,
  maxEnvelopeBytes: 1 << 30,
  windowRows: 50,
  windowBytes: 256 * 1024,
  maxBodyBytes: Infinity,
};

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

export function toBytes(text: string): Uint8Array {
  return encoder.encode(text);
}

export function toText(bytes: Uint8Array): string {
  return strict.decode(bytes);
}

/** What became of a JSON body. */
export type Verdict =
  | { error: string }
  | { rowsKey: string | undefined; rows: unknown[]; envelope: Record<string, unknown> };

/** What `JSON.parse` says of the whole. */
export function judge(body: Uint8Array, keys: readonly string[]): Verdict {
  let text: string;
  try {
    text = strict.decode(body);
  } catch {
    return { error: "invalid_utf8" };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { error: "malformed_json" };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { error: "invalid_body" };
  const outer = value as Record<string, unknown>;
  const seen = outerKeys(text).filter((key) => keys.includes(key));
  const arrays = seen.filter((key) => Array.isArray(outer[key]));
  if (new Set(seen).size < seen.length || arrays.length > 1) return { error: "duplicate_rows_key" };
  if (arrays.length === 0) return { rowsKey: undefined, rows: [], envelope: outer };
  const [rowsKey] = arrays;
  return { rowsKey, rows: outer[rowsKey] as unknown[], envelope: { ...outer, [rowsKey]: [] } };
}

/** The keys of the outer object of a valid text, in order, repeats kept. */
function outerKeys(text: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  let last = "";
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else if (token === ":" && depth === 1) keys.push(JSON.parse(last));
    last = token;
  }
  return keys;
}

/** The pieces of a body that is cut at these places. Copies: a source may write to what it is given. */
export function cutAt(body: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts, body.length];
  return places.slice(1).map((end, i) => body.slice(places[i], end));
}

/** Pieces of `size` bytes. */
export function inPieces(body: Uint8Array, size: number): Uint8Array[] {
  return Array.from(
    { length: Math.ceil(body.length / size) },
    (_, i) => body.slice(i * size, (i + 1) * size),
  );
}

/** All windows of a body, each handed over while it is valid. */
export function* windowsOf(source: RowSource, chunks: Iterable<Uint8Array>): Generator<RowWindow> {
  for (const chunk of chunks) yield* source.push(chunk);
  yield* source.finish();
}

/** The bytes of row i. */
export function rowBytes(window: RowWindow, i: number): Uint8Array {
  return window.bytes.subarray(window.start(i), window.end(i));
}

/** What a {@link JsonRows} says of a body in these pieces. */
export function readJson(
  chunks: Iterable<Uint8Array>,
  keys: readonly string[] = ["events"],
  limits: Partial<RowLimits> = {},
): Verdict {
  const source = new JsonRows({ rowsKey: keys, limits: { ...wide, ...limits } });
  const rows: unknown[] = [];
  try {
    for (const window of windowsOf(source, chunks)) {
      assertEquals(window.firstIndex, rows.length);
      for (let i = 0; i < window.count; i++) {
        rows.push(window.value(i));
        assertCopyable(rowBytes(window, i), window.value(i));
      }
    }
  } catch (error) {
    if (error instanceof WeirError) return { error: error.code };
    throw error;
  }
  assertEquals(source.rows, rows.length);
  if (source.rowsKey === undefined) {
    const single = source.single();
    assertEquals([single.count, single.firstIndex], [1, 0]);
    assertCopyable(rowBytes(single, 0), single.value(0));
    assert(isDeepStrictEqual(single.value(0), source.envelope));
  }
  return { rowsKey: source.rowsKey, rows, envelope: source.envelope };
}

/** A row's bytes are its value, on one line, with nothing around it. */
function assertCopyable(bytes: Uint8Array, value: unknown): void {
  const text = toText(bytes);
  if (/[\n\r]|^\s|\s$/.test(text) || !isDeepStrictEqual(JSON.parse(text), value)) {
    throw new AssertionError(`The bytes of a row are not its value: ${JSON.stringify(text)}`);
  }
}

/** Both verdicts are the same; where the body is broken in several ways, either way may be named. */
export function assertSameVerdict(actual: Verdict, expected: Verdict, body: Uint8Array): void {
  if (isDeepStrictEqual(actual, expected)) return;
  if ("error" in actual && "error" in expected) {
    const named = {
      invalid_utf8: ["invalid_utf8", "malformed_json", "duplicate_rows_key"],
      malformed_json: ["malformed_json", "duplicate_rows_key"],
    }[expected.error];
    if (named?.includes(actual.error)) return;
  }
  const shown = JSON.stringify(new TextDecoder().decode(body));
  throw new AssertionError(`${shown}: is ${JSON.stringify(actual)}, should be ${JSON.stringify(expected)}`);
}

/** What became of a line: its value, or that it is no JSON. */
export type LineVerdict = { value: unknown } | "malformed";

/** What `JSON.parse` says of each line. */
export function judgeLines(body: Uint8Array): LineVerdict[] {
  const lines: LineVerdict[] = [];
  for (let from = 0; from < body.length;) {
    const lineFeed = body.indexOf(10, from);
    const to = lineFeed < 0 ? body.length : lineFeed;
    const line = body.subarray(from, to);
    from = to + 1;
    if (line.every((byte) => [0x20, 0x09, 0x0d].includes(byte))) continue;
    try {
      lines.push({ value: JSON.parse(strict.decode(line)) });
    } catch {
      lines.push("malformed");
    }
  }
  return lines;
}

/** What an {@link NdjsonRows} says of each line. */
export function readLines(chunks: Iterable<Uint8Array>, limits: Partial<RowLimits> = {}): LineVerdict[] {
  const source = new NdjsonRows({ limits: { ...wide, ...limits } });
  const lines: LineVerdict[] = [];
  for (const window of windowsOf(source, chunks)) {
    assertEquals(window.firstIndex, lines.length);
    for (let i = 0; i < window.count; i++) {
      if (window.malformed(i) === undefined) {
        lines.push({ value: window.value(i) });
        assertCopyable(rowBytes(window, i), window.value(i));
      } else {
        assertEquals(window.value(i), undefined);
        lines.push("malformed");
      }
    }
  }
  assertEquals(source.rows, lines.length);
  return lines;
}
