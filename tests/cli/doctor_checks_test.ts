import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  checkClock,
  checkDataDir,
  checkDisk,
  checkQuarantine,
  checkRedis,
} from "../../src/cli/doctor_checks.ts";
import { defaultConfig } from "../../src/config/schema.ts";
import { startRedis } from "../support/redis.ts";
import { tempDir } from "../support/temp.ts";

Deno.test("checkRedis() finds a Redis that answers, and says why not, without its password", async () => {
  await using redis = await startRedis();
  const [well] = await checkRedis(redis.url);
  assertEquals(well.state, "ok", well.text);
  assertMatch(well.text, /^redis \d+\.\d+/);
  const [refused] = await checkRedis(redis.url.replace("redis://", "redis://:secret-1234@"));
  assertEquals(refused.state, "fail");
  assert(!refused.text.includes("secret-1234"));
  const [silent] = await checkRedis("redis://127.0.0.1:1");
  assertEquals(silent.state, "fail");
});

Deno.test("checkDisk() fails where there is less room than disk.min_free_bytes", async () => {
  await using dir = await tempDir();
  const config = { ...defaultConfig(), data_dir: `${dir.path}/not/there/yet` };
  const states = async (minFree: number): Promise<string[]> =>
    (await checkDisk({ ...config, disk: { min_free_bytes: minFree } })).map(({ state }) => state);
  assertEquals((await states(0))[0], "ok");
  assertEquals((await states(2 ** 50))[0], "fail");
  assertEquals([...Deno.readDirSync(dir.path)].length, 0);
});

Deno.test("checkClock() fails for a clock that was never set, and warns of one that went back", async () => {
  await using dir = await tempDir();
  const at = async (now: number): Promise<string> =>
    (await checkClock(dir.path, { now: () => now, monotonic: () => 0 }))[0].state;
  assertEquals([await at(1_000), await at(Date.now())], ["fail", "ok"]);
  await Deno.mkdir(`${dir.path}/journal`);
  await Deno.writeTextFile(`${dir.path}/journal/0000000000000001.wal`, "");
  assertEquals([await at(Date.now()), await at(Date.now() - 60_000)], ["ok", "warn"]);
});

Deno.test("checkDataDir() warns of a damaged catalog", async () => {
  await using dir = await tempDir();
  assertEquals((await checkDataDir(dir.path)).map(({ state }) => state), ["ok", "ok"]);
  await Deno.writeTextFile(`${dir.path}/catalog.sqlite`, "x".repeat(5_000));
  assertEquals((await checkDataDir(dir.path)).map(({ check, state }) => [check, state]), [
    ["data_dir", "ok"],
    ["catalog", "warn"],
  ]);
});

Deno.test("checkQuarantine() says what was set aside, and nothing where nothing was", async () => {
  await using dir = await tempDir();
  assertEquals(checkQuarantine(dir.path), []);
  await Deno.mkdir(`${dir.path}/quarantine/parts`, { recursive: true });
  assertEquals(checkQuarantine(dir.path), []);
  await Deno.writeTextFile(`${dir.path}/quarantine/1.bin`, "x");
  await Deno.writeTextFile(`${dir.path}/quarantine/parts/1`, "x".repeat(1024 ** 2));
  const [finding, ...others] = checkQuarantine(dir.path);
  assertEquals([finding.state, others], ["warn", []]);
  assertMatch(finding.text, /^2 damaged files lie in quarantine\/, 1(\.0)? MiB, the latest since 20/);
});
