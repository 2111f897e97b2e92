import { assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { loadConfig } from "../../src/config/load.ts";
import { defaultConfig } from "../../src/config/schema.ts";
import { settings } from "../../src/config/settings.ts";
import { errorOf, issuesOf, linesOf, loadText } from "./support.ts";

Deno.test("loadConfig() gives the defaults where there is no file", () => {
  const { config, origins, file, warnings } = loadConfig({
    args: {},
    env: { PATH: "/bin", WEIR_CONFIG: "" },
  });
  assertEquals(config, defaultConfig());
  assertEquals(Object.keys(origins), settings.map(({ path }) => path));
  assertEquals(new Set(Object.values(origins)), new Set(["default"]));
  assertEquals(file, undefined);
  assertEquals(warnings, []);
});

Deno.test("loadConfig() prefers flag to environment to file to default", () => {
  const text = "server:\n  port: 1\n  host: 127.0.0.2\nadmin:\n  port: 4\n";
  const env = { WEIR_SERVER__PORT: "2", WEIR_ADMIN__PORT: "5" };
  const { config, origins, file } = loadText(text, { env, args: { port: "3" } });
  assertEquals(config.server, { ...defaultConfig().server, host: "127.0.0.2", port: 3 });
  assertEquals(config.admin.port, 5);
  assertEquals(file, "weir.yaml");
  assertEquals(origins["server.port"], "flag --port");
  assertEquals(origins["admin.port"], "env WEIR_ADMIN__PORT");
  assertEquals(origins["server.host"], "weir.yaml:3");
  assertEquals(origins["admin.host"], "default");
});

Deno.test("loadConfig() takes the file's path from the flag, else from WEIR_CONFIG", () => {
  const asked: string[] = [];
  const readFile = (path: string): Uint8Array => {
    asked.push(path);
    return new Uint8Array();
  };
  loadConfig({ args: {}, env: { WEIR_CONFIG: "a.yaml" }, readFile });
  loadConfig({ args: { config: "b.yaml" }, env: { WEIR_CONFIG: "a.yaml" }, readFile });
  assertEquals(asked, ["a.yaml", "b.yaml"]);
});

Deno.test("loadConfig() takes a file that says nothing", () => {
  for (const text of ["", "\n", "# nothing\n", "---\n", "{}", "server:\nlimits: ~\nlog: {}\n", "\ufeff"]) {
    assertEquals(loadText(text).config, defaultConfig(), JSON.stringify(text));
  }
});

Deno.test("loadConfig() reads JSON as well", () => {
  assertEquals(loadText('{"server":{"port":9},"limits":{"max_row_bytes":"1MiB"}}').config.server.port, 9);
});

Deno.test("loadConfig() reports everything at once, each with its position", () => {
  const text = `server:
  host: 0.0.0.0
  prot: 80
  trusted_proxies: [10.0.0.0/8, nonsense]
port: 1
flsuh:
  interval_ms: 1
admin:
  port: 70000
  port: 7402
log: { level: loud, format: "\${FORMAT}" }
auth:
  clients:
    - id: abc
      secret: 12345
limits:
  max_row_bytes: 12 parsec
  window_rows:
redis:
  url: http://h
`;
  assertEquals(linesOf(text, { env: { WEIR_LOG__LEVVEL: "x" } }), [
    'weir.yaml:2:9 server.host: Must be a loopback address while auth.enabled is false: current value is "0.0.0.0"; ' +
    "set auth.enabled and name a client or an app",
    "weir.yaml:3:3 server.prot: Is no setting: did you mean port",
    'weir.yaml:4:33 server.trusted_proxies[1]: Must be an IP address, or a range such as 10.0.0.0/8: current value is "nonsense"',
    "weir.yaml:5:1 port: Is no setting: did you mean server.port or admin.port",
    "weir.yaml:6:1 flsuh: Is no setting: did you mean flush",
    "weir.yaml:9:9 admin.port: Must be a whole number between 0 and 65535: current value is 70000",
    "weir.yaml:10:3 admin.port: Is given twice",
    'weir.yaml:11:15 log.level: Must be error, warn, info or debug: current value is "loud"',
    "weir.yaml:11:29 log.format: The environment variable FORMAT is not set",
    "weir.yaml:14:7 auth.clients[0].project: Is missing: it must be a text of 1 to 200 characters",
    'weir.yaml:14:11 auth.clients[0].id: Must be a UUID in lowercase, 8-4-4-4-12 hex digits: current value is "abc"',
    "weir.yaml:15:15 auth.clients[0].secret: Must be a text of 1 to 1024 characters: " +
    "current value is a number, which needs quotes to be a text",
    "weir.yaml:17:18 limits.max_row_bytes: Must be a size such as 64MiB, or a number of bytes, " +
    'between 1 and 1073741824 bytes: current value is "12 parsec"',
    "weir.yaml:18:3 limits.window_rows: Must be a whole number between 1 and 50: current value is empty",
    "weir.yaml:20:8 redis.url: Must be empty, or an address that begins with redis:// or rediss://",
    "env WEIR_LOG__LEVVEL: Sets nothing: did you mean WEIR_LOG__LEVEL",
  ]);
});

Deno.test("loadConfig() counts lines and columns the same with CRLF and with a byte order mark", () => {
  const text = "\ufeffserver:\r\n  port: x\r\n# c\r\nlog:\r\n  level: y\r\n";
  const places = issuesOf(text).map(({ line, col, path }) => [line, col, path]);
  assertEquals(places, [[2, 9, "server.port"], [5, 10, "log.level"]]);
});

Deno.test("loadConfig() tells a syntax error, and what is wrong before it", () => {
  const tab = linesOf("server:\n  port: x\nlog:\n\tlevel: info\n");
  assertStringIncludes(tab[0], "weir.yaml:2:9 server.port");
  assertEquals(tab[1], "weir.yaml:4:1: Tabs cannot indent in YAML: use spaces");
  const flow = linesOf("server: {port: ${PORT:-7400}}\nlog: {level: loud}\n", { env: {} });
  assertEquals(flow.length, 1);
  assertStringIncludes(flow[0], "weir.yaml:1:17: Unexpected text");
});

Deno.test("loadConfig() does not judge what stands behind a syntax error", () => {
  const lines = linesOf('data_dir: "./data\nserver:\n  port: 1\nbogus: 2\n');
  assertFalse(lines.some((line) => line.includes("bogus")));
});

Deno.test("loadConfig() refuses a file that is no mapping", () => {
  for (const text of ["[1]", "just text", "42", "- a\n- b\n"]) {
    assertEquals(linesOf(text), ["weir.yaml:1:1: Must be a mapping of sections"], text);
  }
});

Deno.test("loadConfig() makes numbers and booleans of references, quoted or not", () => {
  const text =
    'server:\n  port: ${PORT:-7400}\nadmin:\n  port: "${ADMIN}"\nauth:\n  enabled: ${AUTH:-false}\n';
  const { config, origins } = loadText(text, { env: { ADMIN: "0" } });
  assertEquals([config.server.port, config.admin.port, config.auth.enabled], [7400, 0, false]);
  assertEquals(origins["admin.port"], "weir.yaml:4");
});

Deno.test("loadConfig() keeps a text of digits a text where a text is wanted", () => {
  const text = "auth:\n  apps:\n    - id: '007'\n      secret: ${SECRET}\n";
  assertEquals(loadText(text, { env: { SECRET: "12345" } }).config.auth.apps[0].secret, "12345");
});

Deno.test("loadConfig() makes no number of a quoted text without a reference", () => {
  assertStringIncludes(linesOf("server:\n  port: '80'\n")[0], 'current value is "80"');
  assertStringIncludes(linesOf("server:\n  port: '$$80'\n")[0], 'current value is "$80"');
});

Deno.test("loadConfig() takes references for sizes, and refuses them in keys", () => {
  const text = "limits:\n  max_row_bytes: ${ROW}\n";
  assertEquals(loadText(text, { env: { ROW: "2KiB" } }).config.limits.max_row_bytes, 2048);
  assertStringIncludes(
    linesOf("${SECTION}:\n  port: 1\n", { env: { SECTION: "server" } })[0],
    "Is no setting",
  );
});

Deno.test("loadConfig() never shows a secret, nor what a reference stood for", () => {
  const env = { SECRET: "hunter2", WEIR_AUTH__APPS: "hunter2" };
  const text = `server:
  host: \${SECRET}@
log:
  level: \${SECRET}
redis:
  url: http://u:hunter2@h
auth:
  clients:
    - id: \${SECRET}
      secret: [hunter2]
      secret_hash: hunter2
    - hunter2
`;
  const error = errorOf(() => loadText(text, { env }));
  assertEquals(error.issues.length, 9);
  assertFalse(error.message.includes("hunter2"), error.message);
  assertFalse(JSON.stringify(error.issues).includes("hunter2"));
  assertStringIncludes(error.message, 'current value comes from "${SECRET}"');
});

Deno.test("loadConfig() checks rules between settings beside errors elsewhere", () => {
  const lines = linesOf("server:\n  port: 7401\nlog:\n  level: loud\n");
  assertEquals(lines.map((line) => line.split(":").slice(0, 4).join(":")), [
    "weir.yaml:2:9 admin.port: Must differ from server.port",
    "weir.yaml:4:10 log.level: Must be error, warn, info or debug",
  ]);
});

Deno.test("loadConfig() leaves out rules whose setting was mistyped", () => {
  const lines = linesOf("server:\n  host: 0.0.0.0\nauth:\n  enabledd: true\n");
  assertEquals(lines, ["weir.yaml:4:3 auth.enabledd: Is no setting: did you mean enabled"]);
});

Deno.test("loadConfig() warns of what is allowed and hardly meant", () => {
  const { config, warnings } = loadText("limits:\n  max_in_flight_bytes: 15MiB\n");
  assertEquals(config.limits.max_in_flight_bytes, 15 * 1024 * 1024);
  assertEquals(warnings.map(({ line, col, path }) => [line, col, path]), [
    [2, 24, "backend.max_body_bytes"],
    [2, 24, "trace_files.max_body_bytes"],
  ]);
});

Deno.test("loadConfig() refuses what is not UTF-8, or too large", () => {
  assertStringIncludes(linesOf(new Uint8Array([0x61, 0xff]))[0], "must be UTF-8");
  assertStringIncludes(linesOf("#".repeat(1024 * 1024 + 1))[0], "must not be larger than 1048576 bytes");
  assertEquals(loadText("#".repeat(1024 * 1024)).config, defaultConfig());
});
