import { assert, assertEquals, assertFalse } from "@std/assert";
import { isAddressRange, isHost, size } from "../../src/config/fields.ts";

const anySize = size("A size", { min: 10, max: 2 ** 50, fallback: 64 });

Deno.test("size() takes bytes and texts with a unit", () => {
  const cases: [number | string | undefined, number][] = [
    [undefined, 64],
    [4096, 4096],
    ["4096", 4096],
    ["4096B", 4096],
    ["64MiB", 64 * 1024 * 1024],
    ["10 MB", 10_000_000],
    ["256KiB", 262_144],
    ["2kB", 2000],
    ["2KB", 2000],
    ["1.5GiB", 1_610_612_736],
    ["1TiB", 2 ** 40],
    ["0.1KiB", 102],
  ];
  for (const [given, bytes] of cases) assertEquals(anySize.parse(given), bytes, String(given));
});

Deno.test("size() refuses what is no size, or out of bounds", () => {
  const wrong = [
    9,
    -1,
    1.5,
    NaN,
    Infinity,
    2 ** 53,
    "9B",
    "",
    " ",
    "64 M",
    "64mib",
    "64  MiB",
    "MiB",
    "-1MiB",
  ];
  const more = ["1e3", "0x10", "64MiB ", "1.MiB", "9".repeat(400), "2048TiB", null, true, [], {}];
  for (const given of [...wrong, ...more]) {
    assertFalse(anySize.safeParse(given).success, JSON.stringify(given));
  }
});

Deno.test("size() tells both bounds in one error", () => {
  const { error } = anySize.safeParse("9B");
  assertEquals(error?.issues.map(({ message }) => message), [
    "Must be a size such as 64MiB, or a number of bytes, between 10 and 1125899906842624 bytes",
  ]);
});

Deno.test("isHost() takes addresses and names, and nothing with a port, a scheme or a path", () => {
  for (const host of ["127.0.0.1", "::1", "0.0.0.0", "::", "localhost", "a.example", "A-1.example", "x"]) {
    assert(isHost(host), host);
  }
  const wrong = [
    "",
    "127.0.0.1:80",
    "[::1]",
    "http://a",
    "a/b",
    "a b",
    "-a",
    "a-",
    "a..b",
    "1.2.3.256",
    "1.2.3",
  ];
  for (const host of [...wrong, "a".repeat(64), "a.".repeat(130) + "a", "a\n", "a\0"]) {
    assertFalse(isHost(host), host);
  }
});

Deno.test("isAddressRange() takes addresses and ranges of both families", () => {
  for (const range of ["10.0.0.0/8", "127.0.0.1", "::1/128", "fe80::/10", "0.0.0.0/0"]) {
    assert(isAddressRange(range), range);
  }
  const wrong = [
    "10.0.0.0/33",
    "::1/129",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10/8",
    "a/8",
    "",
    "/8",
  ];
  for (const range of [...wrong, "::1%lo", "::1/1e1", "10.0.0.0/ 8"]) {
    assertFalse(isAddressRange(range), range);
  }
});
