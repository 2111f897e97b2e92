import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { posix } from "node:path";
import {
  dayOf,
  encodeName,
  identityKey,
  recordKinds,
  type RowKind,
  rowPlace,
} from "../../src/base/record.ts";

const rowKinds = (Object.keys(recordKinds) as (keyof typeof recordKinds)[])
  .filter((kind): kind is RowKind => recordKinds[kind].family === "rows");

const hostile = [
  "",
  ".",
  "..",
  "../..",
  "/",
  "/etc/passwd",
  "a/../../b",
  "\\..\\",
  "\0",
  "a\0b",
  "a\nb",
  "C:",
  "con",
  "~",
  "$HOME",
  "*",
  "p=q",
  "date=2026-01-01",
  "%2E%2E",
  "%",
  "é",
  "e\u0301",
  "İ",
  "项目",
  "😀",
  "\ud800",
  "Shop",
  "shop",
  "a b",
  ".hidden",
  "x".repeat(200),
  "x".repeat(201),
  "é".repeat(300),
  "/".repeat(100_000),
];

Deno.test("rowPlace() keeps every owner within a partition of its own", () => {
  for (const kind of rowKinds) {
    const { directory, owner: column } = recordKinds[kind];
    const seen = new Map<string, string>();
    for (const owner of hostile) {
      const { partition, family } = rowPlace(kind, owner, "2026-11-20");
      assertEquals(family, "rows");
      const path = posix.normalize(`data/${partition}`);
      assertEquals(path, `data/${partition}`, "the path says what it says");
      const [folder, own, date, ...rest] = partition.split("/");
      assertEquals([folder, date, rest.length], [directory, "date=2026-11-20", 0]);
      assert(own.startsWith(`${column}=`) && own.length > column.length + 1, own);
      assert(!partition.includes("\\") && !partition.includes("\0") && !partition.includes("\n"));
      assert(own.length <= 220);
      assertEquals(seen.get(own), undefined, `${own} is the folder of two owners`);
      seen.set(own, owner);
    }
  }
});

Deno.test("encodeName() gives ASCII of at most 200 bytes that only the same name has", () => {
  const name = fc.string({ unit: "binary", maxLength: 120 }).map((text) => text.toWellFormed());
  fc.assert(
    fc.property(name, name, (a, b) => {
      const [x, y] = [encodeName(a), encodeName(b)];
      assert(/^[\w%.-]{1,200}$/.test(x) && x !== "." && x !== ".." && !x.startsWith("."), x);
      if (a !== b) assertNotEquals(x, y);
      if (x !== "%-" && !x.includes("%-")) assertEquals(decodeURIComponent(x), a);
    }),
    { seed: 7400, numRuns: 1_000 },
  );
});

Deno.test("encodeName() keeps long names apart that begin alike, and from every short name", () => {
  const long = Array.from({ length: 2_000 }, (_, i) => "x".repeat(300) + i);
  assertEquals(new Set(long.map(encodeName)).size, long.length);
  // A short name written like a long one would need a "%" that no digits follow.
  for (const name of long.slice(0, 100)) {
    const folder = encodeName(name);
    assertNotEquals(encodeName(folder), folder);
    assertThrows(() => decodeURIComponent(folder), URIError);
  }
});

Deno.test("rowPlace() refuses a day that is none, whatever was placed before", () => {
  rowPlace("event", "2026-11-20/p", "2026-11-20");
  for (const day of ["", "2026-11-2", "2026-11-20/..", "../../..", "2026-11-20\n", "+010000-01"]) {
    assertThrows(() => rowPlace("event", "p", day), RangeError, "day must be YYYY-MM-DD");
  }
});

Deno.test("rowPlace() answers the same after it has forgotten its oldest answers", () => {
  const first = rowPlace("event", "owner-0", "2026-11-20").partition;
  for (let i = 0; i < 25_000; i++) rowPlace("event", `owner-${i}`, "2026-11-20");
  assertEquals(rowPlace("event", "owner-0", "2026-11-20").partition, first);
});

Deno.test("dayOf() is the day in UTC, whatever the time zone of the machine", () => {
  assertEquals(dayOf(Date.UTC(2026, 10, 20, 23, 59, 59, 999)), "2026-11-20");
  assertEquals(dayOf(Date.UTC(2026, 10, 21)), "2026-11-21");
  assertEquals(dayOf(Date.UTC(2024, 1, 29, 12)), "2024-02-29");
});

Deno.test("identityKey() never gives two owners the same key", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "1", ":", "0", "p"), maxLength: 6 });
  const owner = fc.constantFrom("project" as const, "app" as const);
  const whole = fc.tuple(owner, text, text);
  fc.assert(
    fc.property(whole, whole, (a, b) => {
      const same = a.every((part, i) => part === b[i]);
      assertEquals(identityKey(...a) === identityKey(...b), same);
    }),
    { seed: 7400, numRuns: 5_000 },
  );
});
