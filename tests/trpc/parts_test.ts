import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { readCall } from "../../src/trpc/call.ts";
import { ChunkedReader } from "../../src/trpc/chunked.ts";
import { failureText, TrpcFailure } from "../../src/trpc/failure.ts";
import { membersOf, objectText, readPiece } from "../../src/trpc/json_pieces.ts";
import { normalizeSearch } from "../../src/trpc/search_input.ts";
import { readReplyHead, ReplyFormatError } from "../../src/trpc/reply_head.ts";

const seed = 20_260_720;

Deno.test("membersOf() finds what JSON.parse() finds, at any spacing", () => {
  const spacing = fc.constantFrom("", " ", "\n  ", "\t");
  const owner = fc.oneof(
    fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()),
    fc.array(fc.jsonValue()),
  );
  fc.assert(
    fc.property(owner, spacing, (value, space) => {
      const piece = readPiece(space + JSON.stringify(value, null, space) + space);
      const members = membersOf(piece);
      assertEquals([...members.keys()].toSorted(), Object.keys(piece.value as object).toSorted());
      for (const [key, member] of members) {
        assertEquals(JSON.parse(member.text), (piece.value as Record<string, unknown>)[key]);
        assertEquals(member.value, (piece.value as Record<string, unknown>)[key]);
      }
      const rebuilt = objectText([...members].map(([key, { text }]) => [key, text]));
      assertEquals(JSON.parse(rebuilt), JSON.parse(JSON.stringify({ ...piece.value as object })));
    }),
    { seed, numRuns: 500 },
  );
});

Deno.test("membersOf() keeps digits and escapes, and takes the last of a key that stands twice", () => {
  const piece = readPiece(` { "a" : 12345678901234567890 , "b\\"" : "\\u00e9]}" , "a" : [ 1.0 ] } `);
  assertEquals([...membersOf(piece)].map(([key, { text }]) => [key, text]), [
    ["a", "[ 1.0 ]"],
    [`b"`, `"\\u00e9]}"`],
  ]);
});

Deno.test("readCall() takes for a batch what each version takes for one", () => {
  const rows: [string, boolean, boolean][] = [
    ["?batch=1", true, true],
    ["?x=1&batch=1", true, true],
    ["?batch=1&batch=0", true, true],
    ["?batch=0&batch=1", false, true],
    ["?batch=true", false, true],
    ["?batch=", false, false],
    ["?batch", false, false],
    ["?not-batch=1", false, false],
    ["?x=batch=1", false, false],
    ["?%62atch=1", true, true],
    ["", false, false],
  ];
  for (const [search, is11, is10] of rows) {
    assertEquals(readCall("/a,b", search, { version: 11 }).isBatch, is11, search);
    assertEquals(readCall("/a,b", search, { version: 10 }).isBatch, is10, search);
  }
});

Deno.test("readCall() splits the path of a batch only, after undoing its escapes", () => {
  const pathsOf = (path: string, search: string): readonly string[] =>
    readCall(path, search, { version: 11 }).paths;
  assertEquals(pathsOf("/a%2Cb,c/", "?batch=1"), ["a", "b", "c"]);
  assertEquals(pathsOf("a,b", ""), ["a,b"]);
  assertEquals(pathsOf("/", "?batch=1"), [""]);
  assertEquals(pathsOf("/a%zz", "?batch=1"), ["a%zz"]);
});

Deno.test("normalizeSearch() changes the input and nothing else", () => {
  const call = { paths: ["a", "b"], isBatch: true };
  const { search } = normalizeSearch("?x=%20+&batch=1&input=%5B1,2%5D&y=%2C&input=3", call);
  assertEquals(search, `?x=%20+&batch=1&input=${encodeURIComponent('{"0":1,"1":2}')}&y=%2C&input=3`);
  assertEquals(normalizeSearch("?batch=1", call).search, "?batch=1");
  assertEquals(normalizeSearch("?batch=1&input=", call, { version: 10 }).search, "?batch=1&input=%7B%7D");
  assertEquals(normalizeSearch("?input=%5B1%5D", { paths: ["a"], isBatch: false }).search, "?input=%5B1%5D");
});

Deno.test("failureText() has the form that each kind of client reads", () => {
  const failure = new TrpcFailure("BAD_GATEWAY", "No");
  const call = { paths: ["a", "b"], isBatch: true };
  const textFor = (name: string, value: string): unknown =>
    JSON.parse(failureText(failure, { call, transformer: "none", headers: new Headers([[name, value]]) }));
  const shape = { message: "No", code: -32603, data: { code: "BAD_GATEWAY", httpStatus: 502 } };
  const named = (path: string): unknown => ({ error: { ...shape, data: { ...shape.data, path } } });
  assertEquals(textFor("accept", "*/*"), [named("a"), named("b")]);
  assertEquals(textFor("trpc-accept", "application/jsonl"), { error: shape });
  assertEquals(textFor("trpc-batch-mode", "stream"), { 0: named("a"), 1: named("b") });
  const single = failureText(failure, {
    call: { paths: ["a"], isBatch: false },
    transformer: "superjson",
    headers: new Headers(),
  });
  assertEquals(JSON.parse(single), { error: { json: { ...shape, data: { ...shape.data, path: "a" } } } });
});

Deno.test("ChunkedReader finds the data at every way to cut the bytes", () => {
  const text = "3;ext=1\r\nabc\r\n0A\r\n0123456789\r\n0\r\ntrailer: x\r\n\r\nrest";
  const bytes = new TextEncoder().encode(text);
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second += 7) {
      const reader = new ChunkedReader();
      let data = "";
      let used = 0;
      for (const part of [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]) {
        const taken = reader.take(part);
        for (const piece of taken.data) data += new TextDecoder().decode(piece);
        used += taken.used;
      }
      assertEquals(
        [data, used, reader.isDone],
        ["abc0123456789", text.length - 4, true],
        `${first} ${second}`,
      );
    }
  }
});

Deno.test("ChunkedReader refuses what is no chunk", () => {
  for (
    const text of [
      "x\r\n",
      "\r\n",
      "-1\r\n",
      "1\r\nabc\r\n",
      "f".repeat(13) + "\r\n",
      "1;" + "x".repeat(5_000),
    ]
  ) {
    assertThrows(
      () => new ChunkedReader().take(new TextEncoder().encode(text)),
      ReplyFormatError,
    );
  }
});

Deno.test("readReplyHead() tells where a body ends and whether the connection lasts", () => {
  const headOf = (lines: string, method = "GET"): string => {
    const { framing, isReusable } = readReplyHead(`HTTP/1.1 200 OK\r\n${lines}`, { method });
    return `${framing.kind}${isReusable ? "" : ", once"}`;
  };
  assertEquals(headOf("content-length: 5"), "length");
  assertEquals(headOf("content-length: 5, 5"), "length");
  assertEquals(headOf("content-length: 5\r\ntransfer-encoding: chunked"), "chunked");
  assertEquals(headOf("x: y"), "close, once");
  assertEquals(headOf("content-length: 5\r\nConnection: Close"), "length, once");
  assertEquals(headOf("content-length: 5", "HEAD"), "none");
  for (
    const lines of [
      "content-length: 5, 6",
      "content-length: x",
      "transfer-encoding: gzip, chunked",
      " folded",
    ]
  ) {
    assertThrows(() => headOf(lines), ReplyFormatError);
  }
  assert(!readReplyHead("HTTP/1.0 200 OK\r\ncontent-length: 0", { method: "GET" }).isReusable);
});
