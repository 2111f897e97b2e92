import { assertEquals } from "@std/assert";
import {
  formatPartName,
  isTemporaryName,
  parsePartName,
  partFolders,
  partitionDay,
  requestPartition,
  temporaryName,
} from "../../src/flush/layout.ts";

Deno.test("parsePartName() reads what formatPartName() writes, and nothing else", () => {
  for (const compression of ["none", "gzip", "zstd"] as const) {
    const name = { checkpoint: 12345678901234, n: 70, compression };
    assertEquals(parsePartName(formatPartName(name)), name);
    assertEquals(isTemporaryName(temporaryName(formatPartName(name))), true);
    assertEquals(parsePartName(temporaryName(formatPartName(name))), undefined);
  }
  for (const name of ["1-0.ndjson", "0000000000000001-0.json", "0000000000000001-.ndjson", "x", ""]) {
    assertEquals([parsePartName(name), isTemporaryName(name)], [undefined, false]);
  }
  for (const name of [".tmp", ".notes.tmp", "0000000000000001-0.ndjson.tmp"]) {
    assertEquals(isTemporaryName(name), false);
  }
});

Deno.test("requestPartition() has a day for every number that can come", () => {
  assertEquals(
    requestPartition("../a", Date.UTC(2026, 10, 20, 23, 59)),
    "traces/app=%2E.%2Fa/date=2026-11-20",
  );
  for (const time of [-1, NaN, Infinity, -Infinity, 1e300, 8.64e15, 253402300800000]) {
    assertEquals(requestPartition("a", time), "traces/app=a/date=1970-01-01");
  }
  assertEquals(requestPartition("a", 253402300799999), "traces/app=a/date=9999-12-31");
});

Deno.test("partitionDay() is the day of a partition", () => {
  assertEquals(partitionDay("events/project=p/date=2026-11-20"), "2026-11-20");
  assertEquals(partitionDay("events/date=x"), "1970-01-01");
});

Deno.test("partFolders names every folder of parts, and none of users' files", () => {
  assertEquals(partFolders, [
    ...[
      "actions",
      "bots",
      "changes",
      "events",
      "groups",
      "mails",
      "operations",
      "profiles",
      "recordings",
      "replays",
      "runs",
      "sessions",
      "traces",
      "visits",
    ],
  ]);
});
