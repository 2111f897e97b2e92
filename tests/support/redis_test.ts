import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { startRedis } from "./redis.ts";

Deno.test("startRedis() gives each caller a server of its own", async () => {
  await using first = await startRedis();
  await using second = await startRedis();
  assertNotEquals(first.port, second.port);
  assertEquals(await first.command("SET", "key", "$1 value"), "OK");
  assertEquals(await first.command("GET", "key"), "$1 value");
  assertEquals(await second.command("DBSIZE"), "0");
});

Deno.test("RedisServer.stop() ends the server and start() brings it back on the same port", async () => {
  await using redis = await startRedis({ args: ["--appendonly", "yes", "--appendfsync", "always"] });
  const { url } = redis;
  await redis.command("SET", "key", "kept");
  await redis.stop();
  await assertRejects(() => redis.command("PING"));
  await redis.start();
  assertEquals(redis.url, url);
  assertEquals(await redis.command("GET", "key"), "kept");
});

Deno.test("RedisServer.command() throws what Redis refuses", async () => {
  await using redis = await startRedis();
  await assertRejects(() => redis.command("NOSUCHCOMMAND"), Error, "ERR unknown command");
});
