import { assertEquals } from "@std/assert";
import { isReloadable, planReload } from "../../src/config/reload.ts";
import { type Config, configSchema, defaultConfig } from "../../src/config/schema.ts";

const client = { id: "00000000-0000-0000-0000-000000000000", project: "p", secret: "s" };

function changed(change: (config: Config) => void): Config {
  const config = defaultConfig();
  change(config);
  return config;
}

Deno.test("planReload() has nothing to do for equal configurations", () => {
  assertEquals(planReload(defaultConfig(), defaultConfig()), {
    apply: [],
    restart: [],
    config: defaultConfig(),
  });
});

Deno.test("planReload() applies live settings and keeps the others until a restart", () => {
  const current = defaultConfig();
  const next = changed((config) => {
    config.log.level = "debug";
    config.log.format = "pretty";
    config.limits.max_depth = 9;
    config.server.port = 8000;
    config.server.cors_origins = [];
  });
  const { apply, restart, config } = planReload(current, next);
  assertEquals(apply, ["server.cors_origins", "limits.max_depth", "log.level"]);
  assertEquals(restart, ["server.port", "log.format"]);
  assertEquals(config, {
    ...current,
    log: { level: "debug", format: "json" },
    limits: { ...current.limits, max_depth: 9 },
    server: { ...current.server, cors_origins: [] },
  });
  assertEquals(current, defaultConfig());
});

Deno.test("planReload() shares nothing with what it was given", () => {
  const next = changed((config) => config.server.cors_origins.push("https://a.example"));
  const { config } = planReload(defaultConfig(), next);
  next.server.cors_origins.push("https://b.example");
  assertEquals(config.server.cors_origins, ["*", "https://a.example"]);
});

Deno.test("planReload() never opens a daemon that listens on the network", () => {
  const current = configSchema.parse({
    server: { host: "0.0.0.0" },
    auth: { enabled: true, clients: [client] },
  });
  const { apply, restart, config } = planReload(current, changed((next) => next.log.level = "debug"));
  assertEquals(apply, []);
  assertEquals(restart, ["server.host", "log.level", "auth.enabled", "auth.clients"]);
  assertEquals(config, current);
});

Deno.test("isReloadable() knows single settings and whole sections", () => {
  const live = [
    "auth.clients",
    "disk.min_free_bytes",
    "flush.interval_ms",
    "flush.journal_bytes",
    "log.level",
  ];
  const more = ["limits.window_rows", "retention.max_age_ms", "sessions.timeout_ms"];
  const others = ["server.cors_origins", "server.trusted_proxies", "traces.idle_ms", "track.max_batch_rows"];
  for (const path of [...live, ...more, ...others]) assertEquals(isReloadable(path), true, path);
  const fixed = ["server.host", "admin.port", "data_dir", "durability", "flush.compression", "log.format"];
  for (const path of [...fixed, "journal.segment_bytes", "redis.url", "identities.keep_ms", "logs.level"]) {
    assertEquals(isReloadable(path), false, path);
  }
});
