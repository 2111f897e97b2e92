import { assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { envName } from "../../src/config/overrides.ts";
import { defaultConfig } from "../../src/config/schema.ts";
import { settings } from "../../src/config/settings.ts";
import { linesOf, loadText } from "./support.ts";

const id = "00000000-0000-0000-0000-000000000000";

/** A value for a setting that differs from its default and conflicts with nothing. */
function otherValue(path: string, kind: string): string {
  if (path === "server.trusted_proxies") return "[10.0.0.0/8]";
  if (path.endsWith(".host")) return "::1";
  if (path === "server.cors_origins") return '["https://a.example"]';
  if (path === "auth.clients") return JSON.stringify([{ id, project: "p", secret: "s" }]);
  if (path === "trpc.routes") return "[{ prefix: /t, upstream: 'http://127.0.0.1:1' }]";
  if (path === "auth.apps") return "[{ id: a, secret: s }]";
  const words: Record<string, string> = {
    "data_dir": "/x",
    "durability": "write",
    "flush.compression": "zstd",
    "trace_files.root": "files/x",
    "trace_files.names": "basename",
    "redis.url": "redis://h",
    "redis.on_outage": "reject",
    "log.level": "debug",
    "log.format": "pretty",
  };
  if (kind === "boolean") return "true";
  return words[path] ?? (kind === "size" ? "200KiB" : "49");
}

Deno.test("applyEnvironment() sets every setting by its own name", () => {
  const options = settings;
  const env = Object.fromEntries(options.map(({ path, kind }) => [envName(path), otherValue(path, kind)]));
  const { config, origins } = loadText("", { env: { ...env, WEIR_ADMIN__PORT: "50" } });
  for (const { path, default: fallback } of options) {
    const value = path.split(".").reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], config);
    assertFalse(JSON.stringify(value) === JSON.stringify(fallback), path);
    assertEquals(origins[path], `env ${envName(path)}`);
  }
});

Deno.test("envName() puts two underscores between section and key", () => {
  assertEquals(envName("flush.interval_ms"), "WEIR_FLUSH__INTERVAL_MS");
  assertEquals(envName("data_dir"), "WEIR_DATA_DIR");
});

Deno.test("applyEnvironment() replaces a list as a whole, with its positions", () => {
  const text =
    `auth:\n  clients:\n    - { id: ${id}, project: p, secret: s }\n    - { id: ${id}, project: p }\n`;
  const env = { WEIR_AUTH__CLIENTS: `[{"id":"${id}","project":"q","cors_origins":["*"]}]` };
  assertEquals(loadText(text, { env }).config.auth.clients.map(({ project }) => project), ["q"]);
  assertEquals(linesOf(text, { env: { WEIR_AUTH__CLIENTS: "\n- { id: x, project: q, secret: s }" } }), [
    'env WEIR_AUTH__CLIENTS:2:9 auth.clients[0].id: Must be a UUID in lowercase, 8-4-4-4-12 hex digits: current value is "x"',
  ]);
});

Deno.test("applyEnvironment() does not blame the file for a list that it replaced", () => {
  const text = `auth:\n  clients:\n    - { id: ${id}, project: p, secret: s }\n`;
  assertEquals(linesOf(text, { env: { WEIR_AUTH__CLIENTS: `[{"id":"${id}","secret":"s"}]` } }), [
    "env WEIR_AUTH__CLIENTS:1:2 auth.clients[0].project: Is missing: it must be a text of 1 to 200 characters",
  ]);
});

Deno.test("applyEnvironment() merges a section, below the names of its settings", () => {
  const env = { WEIR_SERVER: "{ port: 1, host: '::1' }", WEIR_SERVER__PORT: "2" };
  const { config, origins } = loadText("server:\n  cors_origins: []\n", { env });
  assertEquals(config.server, { ...defaultConfig().server, host: "::1", port: 2, cors_origins: [] });
  assertEquals(origins["server.host"], "env WEIR_SERVER");
  assertEquals(origins["server.port"], "env WEIR_SERVER__PORT");
  assertEquals(origins["server.cors_origins"], "weir.yaml:2");
});

Deno.test("applyEnvironment() replaces no references: only the file has them", () => {
  const { config } = loadText("", { env: { WEIR_DATA_DIR: "/x/${HOME}$$", HOME: "/root" } });
  assertEquals(config.data_dir, "/x/${HOME}$$");
});

Deno.test("applyEnvironment() tells wrong values by the variable's name", () => {
  const env = { WEIR_SERVER__PORT: "", WEIR_AUTH__ENABLED: "yes", WEIR_AUTH__APPS: "", WEIR_LIMITS: "7" };
  assertEquals(linesOf("", { env }), [
    "env WEIR_LIMITS:1:1 limits: Must be a mapping of names to values: current value is 7",
    "env WEIR_AUTH__APPS:1:1 auth.apps: Must be a list of at most 10000 items: current value is empty",
    'env WEIR_SERVER__PORT server.port: Must be a whole number between 0 and 65535: current value is ""',
    'env WEIR_AUTH__ENABLED auth.enabled: Must be true or false: current value is "yes"',
  ]);
});

Deno.test("applyEnvironment() tells a list or section that is no YAML", () => {
  const [line] = linesOf("", { env: { WEIR_AUTH__CLIENTS: '[{"id": "hunter2"' } });
  assertStringIncludes(line, "env WEIR_AUTH__CLIENTS:1:");
  assertFalse(line.includes("hunter2"));
});

Deno.test("applyEnvironment() refuses names that set nothing, and says what was meant", () => {
  const meant: Record<string, string> = {
    WEIR_PORT: "Sets nothing: did you mean WEIR_SERVER__PORT or WEIR_ADMIN__PORT",
    WEIR_SERVER_PORT: "Sets nothing: did you mean WEIR_SERVER__PORT",
    WEIR_FLSUH__INTERVAL_MS: "Sets nothing: did you mean WEIR_FLUSH__INTERVAL_MS",
    WEIR_DATADIR: "Sets nothing: did you mean WEIR_DATA_DIR",
    WEIR_CONFG: "Sets nothing: did you mean WEIR_CONFIG",
    WEIR_ZZZZZZ: "Sets nothing",
    WEIR_: "Sets nothing",
    WEIR_AUTH__CLIENTS__0__SECRET:
      "A list is set as a whole: give auth.clients as JSON in WEIR_AUTH__CLIENTS",
  };
  for (const [name, message] of Object.entries(meant)) {
    assertEquals(linesOf("", { env: { [name]: "1" } }), [`env ${name}: ${message}`]);
  }
});

Deno.test("applyEnvironment() leaves alone what others put there", () => {
  const env = {
    WEIR_FAULTS: "journal.fsync:error",
    WEIR_CONFIG: "weir.yaml",
    WEIR_SERVICE_HOST: "10.0.0.1",
    WEIR_SERVICE_PORT: "7400",
    WEIR_SERVICE_PORT_HTTP: "7400",
    WEIR_PORT: "tcp://10.0.0.1:7400",
    WEIR_PORT_7400_TCP: "tcp://10.0.0.1:7400",
    WEIR_PORT_7400_TCP_ADDR: "10.0.0.1",
    WEIR_ADMIN_SERVICE_HOST: "10.0.0.2",
    WEIR_ADMIN_PORT: "tcp://10.0.0.2:7401",
    OTHER: "x",
    weir_server__port: "1",
  };
  assertEquals(loadText("", { env }).config, defaultConfig());
});

Deno.test("applyFlags() sets what each flag stands for, and tells wrong values by the flag's name", () => {
  const args = { port: 1, adminPort: "2", dataDir: "/d", logFormat: "pretty", logLevel: "error" };
  const { config, origins } = loadText("", { args });
  assertEquals([config.server.port, config.admin.port, config.data_dir], [1, 2, "/d"]);
  assertEquals(config.log, { level: "error", format: "pretty" });
  assertEquals(origins["log.level"], "flag --log-level");
  assertEquals(linesOf("", { args: { port: "70000" } }), [
    "flag --port server.port: Must be a whole number between 0 and 65535: current value is 70000",
  ]);
});

Deno.test("applyFlags() does not hide that the file's section is no section", () => {
  assertEquals(linesOf("server: 3\n", { args: { port: 1 } }), [
    "weir.yaml:1:9 server: Must be a mapping of names to values: current value is 3",
  ]);
});
