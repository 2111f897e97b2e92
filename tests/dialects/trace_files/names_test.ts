import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { posix } from "node:path";
import {
  directorySegments,
  isBelow,
  isFileName,
  isTemporaryName,
  shownName,
  temporaryName,
} from "../../../src/dialects/trace_files/names.ts";
import { pathAttacks } from "./path_attacks.ts";

const root = "/data/weir/files";

Deno.test("isFileName() takes plain names, of any script and up to 255 bytes", () => {
  const names = [
    "a",
    "a.json",
    ".env",
    "..foo",
    "a..b",
    "...",
    " ",
    "trace_x-1.txt",
    "日本語",
    "é",
    "a".repeat(255),
    "-",
  ];
  for (const name of names) assert(isFileName(name), name);
});

Deno.test("isFileName() refuses what is no single segment, on whatever file system", () => {
  const names = [
    "",
    ".",
    "..",
    "/",
    "a/b",
    "a\\b",
    "a/",
    "\0",
    "a\nb",
    "\u007f",
    "\u0085",
    "a".repeat(256),
    "é".repeat(128),
  ];
  const disguised = ["\uff0e\uff0e", "\u2025", "\u2024", "a\uff0fb", "a\uff3cb", "\ud800", "a\udc00b"];
  for (const name of [...names, ...disguised]) assert(!isFileName(name), JSON.stringify(name));
});

Deno.test("temporaryName() gives names that no client may use", () => {
  assert(isTemporaryName(temporaryName()) && !isFileName(temporaryName()));
  assert(temporaryName() !== temporaryName());
});

Deno.test("directorySegments() resolves a directory below the root", () => {
  const cases: [string, string[]][] = [
    ["./traces", ["traces"]],
    ["traces/", ["traces"]],
    ["", []],
    [".", []],
    ["a//b/./c", ["a", "b", "c"]],
    ["a/../b", ["b"]],
    ["..foo", ["..foo"]],
    ["a..b/c", ["a..b", "c"]],
    ["../files/x", ["x"]],
    [`${root}/x`, ["x"]],
    [root, []],
  ];
  for (const [directory, segments] of cases) {
    assertEquals(directorySegments(directory, root), segments, directory);
  }
});

Deno.test("directorySegments() leads nowhere outside of the root", () => {
  const outside = [
    "..",
    "../",
    "../files2",
    "../../x",
    "a/../../x",
    "/",
    "/tmp",
    "/data/weir",
    "/data/weir/files2",
    "a\\..\\..",
    "a\0b",
    "a/\n",
    "\uff0e\uff0e/x",
  ];
  for (const directory of outside) assertEquals(directorySegments(directory, root), undefined, directory);
  assertEquals(directorySegments("a/".repeat(33), root), undefined);
  assertEquals(directorySegments(`${"a".repeat(255)}/`.repeat(5), root), undefined);
});

Deno.test("directorySegments() agrees with the path that the system would take, for every attack and any text", () => {
  const holds = (directory: string): void => {
    const segments = directorySegments(directory, root);
    if (segments === undefined) return;
    assert(segments.every((segment) => isFileName(segment)), directory);
    const path = posix.resolve(root, directory);
    assertEquals([root, ...segments].join("/"), path);
    assert(isBelow(path, root));
  };
  pathAttacks().forEach(holds);
  const pieces = fc.constantFrom(
    "..",
    ".",
    "/",
    "//",
    "a",
    "files",
    "files2",
    "data",
    "weir",
    "\\",
    "\0",
    " ",
    "é",
    root,
  );
  fc.assert(fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => holds(parts.join(""))), {
    seed: 5,
    numRuns: 2_000,
  });
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 40 }), holds), { seed: 6, numRuns: 2_000 });
});

Deno.test("isBelow() compares segments, not prefixes", () => {
  assert(isBelow("/a/b", "/a/b") && isBelow("/a/b/c", "/a/b") && isBelow("/a", "/"));
  assert(!isBelow("/a/bc", "/a/b") && !isBelow("/a", "/a/b") && !isBelow("/", "/a"));
});

Deno.test("shownName() gives back no path and nothing that cannot be printed", () => {
  assertEquals(["/etc/passwd", "C:\\a\\b", "a\nb", "x/", "\ud800"].map(shownName), [
    "passwd",
    "b",
    "a\ufffdb",
    "",
    "\ufffd",
  ]);
  assert(pathAttacks().every((name) => !/[/\\]/.test(shownName(name)) && shownName(name).length <= 255));
});
