import { assertEquals } from "@std/assert";
import { maskSecrets, maskUrl } from "../../src/config/mask.ts";
import { configSchema } from "../../src/config/schema.ts";

Deno.test("maskSecrets() hides secrets and hashes, and leaves the original alone", () => {
  const id = "00000000-0000-0000-0000-000000000000";
  const config = configSchema.parse({
    auth: {
      clients: [{ id, project: "p", secret: "hunter2" }, { id, project: "p", cors_origins: ["*"] }],
      apps: [{ id: "a", secret_hash: `${"0a".repeat(16)}.${"1b".repeat(32)}` }],
    },
    redis: { url: "redis://u:hunter2@h:6379" },
  });
  const masked = maskSecrets(config);
  assertEquals(masked.auth.clients[0].secret, "********");
  assertEquals("secret" in masked.auth.clients[1], false);
  assertEquals(masked.auth.apps[0].secret_hash, "********");
  assertEquals(JSON.stringify(masked).includes("hunter2"), false);
  assertEquals(config.auth.clients[0].secret, "hunter2");
});

Deno.test("maskUrl() hides the password wherever it stands, and nothing else", () => {
  assertEquals(maskUrl(""), "");
  assertEquals(maskUrl("redis://h:6379/1?db=2"), "redis://h:6379/1?db=2");
  assertEquals(maskUrl("redis://u@h"), "redis://u@h");
  assertEquals(maskUrl("redis://u:pw@h:6379/1"), "redis://u:********@h:6379/1");
  assertEquals(maskUrl("rediss://:pw@h"), "rediss://:********@h");
  assertEquals(maskUrl("redis://u:p@w:x@h"), "redis://u:********@h");
  assertEquals(maskUrl("redis://h?a=1&password=pw&b=2#c"), "redis://h?a=1&password=********&b=2#c");
});
