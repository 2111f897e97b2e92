import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { deviceId } from "../../src/sessions/device_id.ts";
import { bucketTimes, sessionBucket, sessionId } from "../../src/sessions/session_id.ts";

const windowMs = 1_800_000;
const noon = Date.UTC(2026, 5, 8, 12);

Deno.test("deviceId() is the one of the contract's vector", () => {
  const traits = {
    userAgent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0",
    ip: "203.0.113.9",
    project: "proj-1",
    salt: "salt-current",
  };
  assertEquals(deviceId(traits), "226e3ca16cce9a2d5ad137392c36aaea");
  for (const name of ["userAgent", "ip", "project", "salt"] as const) {
    assert(deviceId({ ...traits, [name]: traits[name] + "x" }) !== deviceId(traits), name);
  }
  assertMatch(deviceId({ userAgent: "é\0", ip: "", project: "", salt: "" }), /^[0-9a-f]{32}$/);
});

Deno.test("sessionId() is the one of the contract's vectors, on both sides of each edge", () => {
  const at = (time: number): [string, number] => {
    const bucket = sessionBucket(time, windowMs);
    return [sessionId("proj-1", "device-1", bucket), bucket];
  };
  const first: [string, number] = ["ISdrk7ab3yvgGGZJdwKVGw", 989_399];
  const second: [string, number] = ["nf6UE1fXbhdpTvUsd6_z9Q", 989_400];
  assertEquals(at(noon), first);
  assertEquals(at(noon + 4_999), first);
  assertEquals(at(noon + 5_000), second);
  assertEquals(at(noon + 1_804_999), second);
  assertEquals(at(noon + 1_805_000), ["VuM0YQoxwzs2yiirFRc72A", 989_401]);
});

Deno.test("sessionBucket() leaves short sessions a grace of a sixth", () => {
  assertEquals([0, 665, 666, 4_000, 4_665, 4_666].map((ms) => sessionBucket(40_000 + ms, 4_000)), [
    9,
    9,
    10,
    10,
    10,
    11,
  ]);
  assertEquals(sessionBucket(7, 1), 7);
});

Deno.test("bucketTimes() are exactly the times that fall into the bucket", () => {
  const time = fc.integer({ min: -1e12, max: 4e12 });
  fc.assert(
    fc.property(time, fc.integer({ min: 1, max: 86_400_000 }), (time, timeoutMs) => {
      const bucket = sessionBucket(time, timeoutMs);
      const { since, until } = bucketTimes(bucket, timeoutMs);
      assert(since <= time && time < until);
      assertEquals(sessionBucket(since, timeoutMs), bucket);
      assertEquals(sessionBucket(until - 1, timeoutMs), bucket);
      assertEquals(sessionBucket(since - 1, timeoutMs), bucket - 1);
      assertEquals(sessionBucket(until, timeoutMs), bucket + 1);
    }),
    { seed: 7400, numRuns: 2_000 },
  );
});
