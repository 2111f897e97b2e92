import { assertEquals, assertFalse } from "@std/assert";
import { configSchema, defaultConfig } from "../../src/config/schema.ts";

const day = 86_400_000;
const miB = 1024 * 1024;

Deno.test("defaultConfig() has the defaults that the design names", () => {
  assertEquals(defaultConfig(), {
    server: {
      host: "127.0.0.1",
      port: 7400,
      trusted_proxies: ["127.0.0.0/8", "::1/128"],
      cors_origins: ["*"],
    },
    admin: { host: "127.0.0.1", port: 7401 },
    data_dir: "./data",
    durability: "fsync",
    limits: {
      max_in_flight_bytes: 128 * miB,
      max_in_flight_requests: 4096,
      admission_wait_ms: 2_000,
      stall_timeout_ms: 30_000,
      body_timeout_ms: 600_000,
      max_depth: 128,
      max_row_bytes: 8 * miB,
      max_envelope_bytes: 65_536,
      window_rows: 50,
      window_bytes: 262_144,
    },
    journal: { segment_bytes: 64 * miB, max_held_bytes: 1024 * miB },
    index: { max_requests: 1_000_000, max_bytes: 512 * miB },
    traces: { idle_ms: 30_000 },
    flush: { interval_ms: 10_000, journal_bytes: 64 * miB, compression: "none" },
    retention: { max_age_ms: 0, max_bytes: 0, interval_ms: 60_000 },
    quarantine: { max_age_ms: 0, max_bytes: 1024 ** 3 },
    identities: { keep_ms: 5 * day + 1_800_000 },
    idempotency: { keep_ms: day },
    track: {
      max_batch_rows: 2000,
      max_batch_bytes: 10 * miB,
      max_event_age_ms: 5 * day,
      max_future_ms: 60_000,
      salt_keep_days: 7,
      duplicate_window_ms: 100,
      geo_database: "",
    },
    backend: { max_body_bytes: 20 * miB, max_entries: 2000 },
    trace_files: {
      root: "files",
      max_batch_size: 100,
      max_body_bytes: 20 * miB,
      max_file_bytes: 8 * miB,
      names: "strict",
      max_trace_files: 0,
      max_file_age_ms: 0,
    },
    trpc: { routes: [] },
    test_events: {
      max_batch_rows: 2000,
      max_batch_bytes: 10 * miB,
      max_message_bytes: 16 * miB,
      max_feeds: 100,
    },
    sessions: { timeout_ms: 1_800_000, backlog_close_ms: 300_000, max_open: 200_000 },
    redis: { url: "", prefix: "weir", on_outage: "continue" },
    disk: { min_free_bytes: 64 * miB },
    shutdown: { grace_ms: 10_000 },
    log: { level: "info", format: "json" },
    auth: { enabled: false, clients: [], apps: [] },
  });
});

Deno.test("defaultConfig() gives a fresh object each time", () => {
  const used = defaultConfig();
  used.server.trusted_proxies.push("10.0.0.0/8");
  used.auth.apps.push({ id: "a", enabled: true, capture: [] });
  used.log.level = "debug";
  assertEquals(defaultConfig().server.trusted_proxies.length, 2);
  assertEquals(defaultConfig().auth.apps, []);
  assertEquals(defaultConfig().log.level, "info");
});

Deno.test("configSchema fills in what a client leaves out", () => {
  const id = "00000000-0000-0000-0000-000000000000";
  const { auth } = configSchema.parse({ auth: { clients: [{ id, project: "p" }], apps: [{ id: "a" }] } });
  assertEquals(auth.clients[0], {
    id,
    project: "p",
    cors_origins: [],
    ignore_cors_and_secret: false,
    allow_unsafe_revenue: false,
    block_ips: [],
    block_profile_ids: [],
    drop_events: [],
  });
  assertEquals(auth.apps[0], { id: "a", enabled: true, capture: ["action", "net"] });
});

Deno.test("configSchema holds each setting to its limits", () => {
  const id = "00000000-0000-0000-0000-000000000000";
  const client = (more: object): unknown => ({ auth: { clients: [{ id, project: "p", ...more }] } });
  const wrong: unknown[] = [
    { server: { port: -1 } },
    { server: { port: 65_536 } },
    { server: { port: "80" } },
    { server: { host: "" } },
    { server: { cors_origins: "*" } },
    { server: { cors_origins: ["a b"] } },
    { server: { trusted_proxies: ["10.0.0.0/99"] } },
    { limits: { window_rows: 51 } },
    { limits: { window_rows: 0 } },
    { limits: { window_bytes: 262_145 } },
    { limits: { window_bytes: "1MiB" } },
    { flush: { interval_ms: 0 } },
    { flush: { interval_ms: 2 ** 31 } },
    { flush: { compression: "br" } },
    { durability: "none" },
    { data_dir: "" },
    { data_dir: "a\0b" },
    { redis: { url: "http://h" } },
    { log: { level: "trace" } },
    { auth: { enabled: "yes" } },
    { auth: { apps: [{}] } },
    client({ id: id.toUpperCase().replace("0", "A") }),
    client({ id: "x" }),
    client({ project: "" }),
    client({ secret: "" }),
    client({ secret_hash: "ab.cd" }),
    client({ block_ips: ["10.0.0.0/8"] }),
    client({ extra: 1 }),
  ];
  for (const input of wrong) assertFalse(configSchema.safeParse(input).success, JSON.stringify(input));
});

Deno.test("configSchema takes a hash of the form salt.key", () => {
  const secret_hash = `${"0a".repeat(16)}.${"1b".repeat(32)}`;
  const { auth } = configSchema.parse({ auth: { apps: [{ id: "a", secret_hash }] } });
  assertEquals(auth.apps[0].secret_hash, secret_hash);
});
