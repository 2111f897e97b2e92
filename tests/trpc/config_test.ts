import { assertEquals, assertStringIncludes } from "@std/assert";
import { linesOf, loadText } from "../config/support.ts";

const route = (fields: Record<string, unknown>): string =>
  JSON.stringify({ trpc: { routes: [{ prefix: "/t", upstream: "http://127.0.0.1:3000", ...fields }] } });

Deno.test("a tRPC route has the defaults of the contract", () => {
  assertEquals(loadText(route({})).config.trpc.routes, [{
    prefix: "/t",
    upstream: "http://127.0.0.1:3000",
    ca_file: "",
    transformer: "none",
    version: 11,
    legacy_clients: false,
    envelope: "auto",
    procedures: [],
    max_body_bytes: 10 * 1024 * 1024,
    max_calls: 100,
    timeout_ms: 30_000,
  }]);
});

Deno.test("a tRPC route takes prefixes and upstreams that can be one", () => {
  for (const prefix of ["/api/trpc", "/a.b/c-d_e~f", "/.well-known"]) {
    assertEquals(loadText(route({ prefix })).config.trpc.routes[0].prefix, prefix);
  }
  for (const upstream of ["http://localhost:3000", "https://api.example/trpc/", "http://[::1]:1/"]) {
    assertEquals(loadText(route({ upstream })).config.trpc.routes[0].upstream, upstream);
  }
});

Deno.test("a tRPC route refuses those that cannot", () => {
  for (const prefix of ["", "/", "t", "/t/", "/t//u", "/../t", "/t/..", "/t?x", "/t u", "/t%20"]) {
    assertStringIncludes(
      linesOf(route({ prefix })).join(),
      "trpc.routes[0].prefix: Must be a path such as",
      prefix,
    );
  }
  const upstreams = [
    "",
    "127.0.0.1:3000",
    "ftp://x",
    "http://u:p@x",
    "http://x?y",
    "http://x#y",
    "http://x:99999",
  ];
  for (const upstream of upstreams) {
    assertStringIncludes(
      linesOf(route({ upstream })).join(),
      "trpc.routes[0].upstream: Must be an address",
      upstream,
    );
  }
  assertStringIncludes(linesOf(route({ version: 9 })).join(), "Must be a whole number between 10 and 11");
  assertStringIncludes(linesOf(route({ legacyClients: true })).join(), "legacy_clients");
});

Deno.test("two tRPC routes must not have the same prefix", () => {
  const one = { prefix: "/t", upstream: "http://x" };
  const lines = linesOf(JSON.stringify({ trpc: { routes: [one, { ...one, prefix: "/u" }, one] } }));
  assertEquals(lines.length, 1);
  assertStringIncludes(lines[0], "trpc.routes[2].prefix: Must be given once: item 0 of the list");
});
