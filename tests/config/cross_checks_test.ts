import { assert, assertEquals, assertFalse } from "@std/assert";
import { findConflicts, findDoubts, isLoopback } from "../../src/config/cross_checks.ts";
import { pathText } from "../../src/config/issue.ts";
import { type Config, configSchema, defaultConfig } from "../../src/config/schema.ts";

const id = "00000000-0000-0000-0000-000000000000";
const hash = `${"0a".repeat(16)}.${"1b".repeat(32)}`;
const nothingWrong = (): boolean => false;

/** The settings that are told to conflict. */
function conflicts(input: unknown): string[] {
  return findConflicts(configSchema.parse(input), nothingWrong).map(({ paths }) => pathText(paths[0]));
}

function doubts(change: (config: Config) => void): string[] {
  const config = defaultConfig();
  change(config);
  return findDoubts(config, nothingWrong).map(({ paths }) => pathText(paths[0]));
}

Deno.test("isLoopback() knows every spelling, and takes nothing else", () => {
  for (const host of ["127.0.0.1", "127.255.0.9", "::1", "0:0:0:0:0:0:0:1", "localhost", "LOCALHOST"]) {
    assert(isLoopback(host), host);
  }
  const open = ["0.0.0.0", "::", "128.0.0.1", "10.0.0.1", "127.0.0.1.example", "127.1", "localhost.example"];
  for (const host of [...open, "::ffff:10.0.0.1", "::1%eth0", "127.0.0.01", "", "[::1]"]) {
    assertFalse(isLoopback(host), host);
  }
});

Deno.test("findConflicts() finds nothing in the defaults, nor does findDoubts()", () => {
  assertEquals(conflicts({}), []);
  assertEquals(findDoubts(defaultConfig(), nothingWrong), []);
});

Deno.test("findConflicts() wants two ports, unless both are chosen by the system", () => {
  assertEquals(conflicts({ server: { port: 7401 } }), ["admin.port"]);
  assertEquals(conflicts({ server: { port: 0 }, admin: { port: 0 } }), []);
});

Deno.test("findConflicts() keeps the port closed by default", () => {
  for (const host of ["0.0.0.0", "::", "10.1.2.3", "weir.example"]) {
    assertEquals(conflicts({ server: { host } }), ["server.host"], host);
    assertEquals(conflicts({ server: { host }, auth: { enabled: true } }), ["auth.enabled"], host);
    const auth = { enabled: true, apps: [{ id: "a", secret: "s" }] };
    assertEquals(conflicts({ server: { host }, auth }), [], host);
    assertEquals(conflicts({ server: { host }, auth: { ...auth, enabled: false } }), ["server.host"], host);
  }
});

Deno.test("findConflicts() keeps the admin listener on loopback", () => {
  assertEquals(conflicts({ admin: { host: "0.0.0.0" } }), ["admin.host"]);
  assertEquals(conflicts({ admin: { host: "::1" } }), []);
});

Deno.test("findConflicts() wants each id once", () => {
  const client = { id, project: "p", secret: "s" };
  assertEquals(conflicts({ auth: { clients: [client, client, client] } }), [
    "auth.clients[1].id",
    "auth.clients[2].id",
  ]);
  const app = { id: "__proto__", secret: "s" };
  assertEquals(conflicts({ auth: { apps: [app, app] } }), ["auth.apps[1].id"]);
});

Deno.test("findConflicts() wants proof of every sender", () => {
  const client = (more: object): string[] =>
    conflicts({ auth: { clients: [{ id, project: "p", ...more }] } });
  assertEquals(client({}), ["auth.clients[0]"]);
  assertEquals(client({ secret: "s" }), []);
  assertEquals(client({ secret_hash: hash }), []);
  assertEquals(client({ cors_origins: ["*"] }), []);
  assertEquals(client({ ignore_cors_and_secret: true }), []);
  assertEquals(client({ secret: "s", secret_hash: hash }), ["auth.clients[0]"]);
  assertEquals(conflicts({ auth: { apps: [{ id: "a" }, { id: "b", secret_hash: hash }] } }), [
    "auth.apps[0]",
  ]);
});

Deno.test("findConflicts() keeps trace files away from what the daemon keeps", () => {
  const root = (path: string): string[] => conflicts({ data_dir: "/var/weir", trace_files: { root: path } });
  for (
    const path of ["files", "./files/", "files/a", "/var/weir/files", "/var/files", "../weir2", "/srv/traces"]
  ) {
    assertEquals(root(path), [], path);
  }
  const bad = [".", "/", "..", "/var", "/var/weir", "journal", "files2", "files/..", "../weir/quarantine"];
  for (const path of bad) assertEquals(root(path), ["trace_files.root"], path);
});

Deno.test("findConflicts() leaves out rules about settings that are wrong by themselves", () => {
  const config = configSchema.parse({ server: { port: 7401, host: "0.0.0.0" } });
  const found = findConflicts(config, (path) => path === "admin.port");
  assertEquals(found.map(({ paths }) => pathText(paths[0])), ["server.host"]);
});

Deno.test("findDoubts() finds what cannot work well together", () => {
  assertEquals(doubts(({ identities }) => identities.keep_ms = 1000), ["identities.keep_ms"]);
  assertEquals(doubts(({ track }) => track.salt_keep_days = 5), ["track.salt_keep_days"]);
  assertEquals(doubts(({ track }) => track.salt_keep_days = 6), []);
  assertEquals(doubts(({ limits }) => limits.max_in_flight_bytes = 1024), [
    "track.max_batch_bytes",
    "backend.max_body_bytes",
    "trace_files.max_body_bytes",
  ]);
  assertEquals(doubts(({ trace_files: files }) => files.max_file_bytes = 2 ** 30), [
    "trace_files.max_file_bytes",
  ]);
  assertEquals(doubts(({ journal }) => journal.max_held_bytes = 1024), ["journal.segment_bytes"]);
});
