import { assert, assertEquals } from "@std/assert";
import { type Block, canScanBlocks, scanBlock } from "../../src/parse/block_scan.ts";
import { kernelPlans, sourceHash } from "../../src/kernel_build.ts";
import { blockScanSource } from "../../src/parse/block_scan_wasm.ts";
import { closeBrace, closeBracket, comma, Scanner } from "../../src/parse/scanner.ts";
import { TextMaker } from "./json_texts.ts";
import { inPieces, toBytes, toText } from "./verdicts.ts";

const maxDepth = 5;

/** Text that is JSON token by token, strings whole, but in no order; cut off anywhere. */
function soup(maker: TextMaker, length: number): string {
  let text = "";
  while (text.length < length) {
    const kind = maker.below(10);
    if (kind < 3) text += maker.pick(["{", "[", "}", "]", "{}", "[]"]);
    else if (kind < 5) text += maker.pick([",", ":", " ", "\n", "\r", "12", "true"]);
    else if (kind < 6) text += " ".repeat(maker.below(90));
    else {
      const inside = Array.from(
        { length: maker.below(12) },
        () =>
          maker.pick([
            "a",
            '\\"',
            "\\\\",
            "\\u0041",
            "\\n",
            "[",
            "}",
            ",",
            ":",
            "u",
            "é😀",
            "x".repeat(30),
            "\n",
          ]),
      );
      text += `"${inside.join("")}"`;
    }
  }
  return text.slice(0, length);
}

/** What a scan, byte by byte from the same start, makes of a block. */
interface Expected {
  stops: number[];
  end: [depth: number, isInString: boolean] | undefined;
  notes: number;
}

function scanSlowly(bytes: Uint8Array, scanner: Scanner): Expected {
  const stops: number[] = [];
  const copy = bytes.slice();
  let seen = 0;
  const notesTo = (to: number): number => {
    const notes = (scanner.hasUnicodeEscape ? 1 : 0) +
      (copy.subarray(seen, to).join() === bytes.subarray(seen, to).join() ? 0 : 2);
    scanner.hasUnicodeEscape = false;
    seen = to;
    return notes;
  };
  for (let at = 0; at < bytes.length; at++) {
    if (scanner.scan(copy, at, at + 1) > at) continue;
    const isLast = copy[at] === closeBrace || copy[at] === closeBracket;
    const isTooDeep = copy[at] === 0x7b || copy[at] === 0x5b;
    stops.push(at * 4 + (isTooDeep ? 0 : notesTo(at)));
    if (isLast || isTooDeep) return { stops, end: undefined, notes: 0 };
  }
  return { stops, end: [scanner.depth - scanner.floor, scanner.isInString], notes: notesTo(bytes.length) };
}

Deno.test("scanBlock() stops where a scan byte by byte does, at every length and from every start", () => {
  assert(canScanBlocks());
  const maker = new TextMaker(3);
  for (let round = 0; round < 8000; round++) {
    const scanner = new Scanner(maxDepth);
    scanner.enter();
    const before = maker.pick(["", "[", "[{", '"', '["a', '"\\']);
    scanner.scan(toBytes(before), 0, before.length);
    // The soup begins outside of any string, because only there it has no backslash.
    const rest = scanner.isInString
      ? maker.pick(["u", "xyz", "n\\\\", before.endsWith("\\") ? '"' : ""]) + '"'
      : "";
    const bytes = toBytes(rest + soup(maker, maker.below(round % 10 === 0 ? 700 : 200)));
    const start = {
      depth: scanner.depth - 1,
      maxDepth: maxDepth - 1,
      isInString: scanner.isInString,
      isAfterBackslash: before.endsWith("\\"),
    };
    const expected = scanSlowly(bytes, scanner);
    const from = maker.below(3);
    const shifted = new Uint8Array([...new Uint8Array(from).fill(0x5b), ...bytes, 0x22, 0x5c, 0x5d]);
    const block = scanBlock(shifted, from, from + bytes.length, start);
    const label = JSON.stringify([before, toText(bytes)]);
    assertEquals([...block.stops], expected.stops, label);
    if (expected.end === undefined) continue;
    assertEquals([[block.depth, block.isInString], block.notes], [expected.end, expected.notes], label);
  }
});

Deno.test("scanBlock() carries runs of backslashes over the edges of its 64 bytes and of the block", () => {
  for (let before = 55; before < 70; before++) {
    for (let run = 0; run < 12; run++) {
      const text = '"' + "x".repeat(before) + "\\".repeat(run) + '",';
      for (let cut = before; cut < text.length; cut++) {
        const bytes = toBytes(text);
        const first = scanBlock(bytes, 0, cut, {
          depth: 0,
          maxDepth,
          isInString: false,
          isAfterBackslash: false,
        });
        const second: Block = scanBlock(bytes, cut, bytes.length, { ...first, maxDepth });
        const stops = [...first.stops, ...second.stops].length;
        assertEquals([text, cut, stops], [text, cut, run % 2 === 0 ? 1 : 0]);
      }
    }
  }
});

Deno.test("Scanner.scan() goes on over blocks as it does byte by byte", () => {
  const maker = new TextMaker(4);
  for (let round = 0; round < 60; round++) {
    const bytes = toBytes(soup(maker, 3000 + maker.below(150_000)).replaceAll(/[{}[\]]/g, ""));
    const nested = toBytes(
      maker.list(3, 2 + maker.below(1500)).slice(1, -1) + "," + soup(maker, 500).replaceAll(/[{}[\]]/g, ""),
    );
    for (const text of [bytes, nested]) {
      const [whole, small] = [[text.slice()], inPieces(text, 1000 + maker.below(3000))].map((pieces) => {
        const scanner = new Scanner(100);
        const log: unknown[] = [];
        let base = 0;
        for (const piece of pieces) {
          scanner.forget();
          for (let at = 0; at < piece.length; at++) {
            at = scanner.scan(piece, at, piece.length);
            if (at < piece.length) {
              log.push(base + at, piece[at] === comma, scanner.hasUnicodeEscape, scanner.depth);
            }
            if (at < piece.length) scanner.hasUnicodeEscape = false;
          }
          base += piece.length;
        }
        return [
          log,
          scanner.isInString,
          scanner.depth,
          toText(Uint8Array.from(pieces.flatMap((p) => [...p]))),
        ];
      });
      assertEquals(whole, small);
    }
  }
});

Deno.test("block_scan_wasm.ts is compiled from block_scan.as as it is", async () => {
  assertEquals(await sourceHash(kernelPlans.blockScan), blockScanSource, "run src/kernel_build.ts");
});
