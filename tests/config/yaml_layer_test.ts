import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { defaultConfig } from "../../src/config/schema.ts";
import { ConfigError } from "../../src/config/issue.ts";
import { linesOf, loadText } from "./support.ts";

const id = "00000000-0000-0000-0000-000000000000";

Deno.test("readYamlLayer() follows aliases, with the position of what they stand for", () => {
  const text = `server:
  cors_origins: &origins [https://a.example]
auth:
  clients:
    - { id: ${id}, project: p, cors_origins: *origins }
`;
  assertEquals(loadText(text).config.auth.clients[0].cors_origins, ["https://a.example"]);
  const wrong =
    "server:\n  cors_origins: &o [a b]\nauth:\n  clients:\n    - { id: 1, project: p, cors_origins: *o }\n";
  assertStringIncludes(
    linesOf(wrong).join("\n"),
    "weir.yaml:2:21 auth.clients[0].cors_origins[0]: Must be an origin",
  );
});

Deno.test("readYamlLayer() takes the anchor that stands last before the alias", () => {
  const text = "data_dir: &x a\ndurability: &x write\nlog:\n  level: *x\n";
  assertStringIncludes(
    linesOf(text)[0],
    'log.level: Must be error, warn, info or debug: current value is "write"',
  );
});

Deno.test("readYamlLayer() refuses an alias inside its own anchor, and one without an anchor", () => {
  assertEquals(linesOf("server: &a\n  host: *a\n"), [
    "weir.yaml:2:9 server.host: An alias cannot stand inside its own anchor",
  ]);
  const twice = linesOf("server: &a { cors_origins: [*a, *a] }\n");
  assertEquals(twice.map((line) => line.includes("cannot stand inside its own anchor")), [true, true]);
  assertStringIncludes(linesOf("data_dir: *later\nlog: &later {}\n")[0], "needs an anchor");
});

Deno.test("readYamlLayer() stops aliases that multiply", () => {
  let text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (let i = 1; i < 12; i++) text += `a${i}: &a${i} [${Array(8).fill(`*a${i - 1}`).join(", ")}]\n`;
  const started = performance.now();
  const lines = linesOf(text);
  assert(lines.some((line) => line.includes("Aliases stand for more than 10000 values")), lines[0]);
  assert(performance.now() - started < 30_000);
});

Deno.test("readYamlLayer() stops long lists that aliases repeat", () => {
  const text = `a: &a [${"x,".repeat(2000)}]\nb: [${"*a,".repeat(20)}]\n`;
  assertStringIncludes(linesOf(text).join("\n"), "Aliases stand for more than 10000 values");
});

Deno.test("readYamlLayer() treats keys that mean something in JavaScript as any other unknown key", () => {
  const keys = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];
  for (const key of keys) {
    for (const text of [`${key}: { port: 1 }\n`, `server:\n  ${key}: { port: 1 }\n`, `"${key}": ~\n`]) {
      const lines = linesOf(text);
      assertEquals(lines.length, 1, text);
      assertStringIncludes(lines[0], `${key}: Is no setting`);
    }
  }
  assertEquals(({} as Record<string, unknown>).port, undefined);
  assertEquals(loadText("").config, defaultConfig());
});

Deno.test("readYamlLayer() refuses merge keys, tags and a second document", () => {
  assertStringIncludes(
    linesOf("x: &x { port: 1 }\nserver:\n  <<: *x\n").join("\n"),
    'server["<<"]: Is no setting',
  );
  assertStringIncludes(linesOf("data_dir: !!js/function 'x'\n")[0], "weir.yaml:1:11: Unknown tag");
  assertStringIncludes(linesOf("data_dir: !secret x\n")[0], "Unknown tag");
  assertStringIncludes(linesOf("log: {}\n---\nlog: {}\n")[0], "second document");
});

Deno.test("readYamlLayer() refuses values that YAML 1.1 makes of texts", () => {
  const lines = linesOf("%YAML 1.1\n---\nserver: 2001-12-14\ndata_dir: !!binary aGk=\n");
  assertEquals(lines, [
    "weir.yaml:3:9 server: Must be a text, a number, true or false",
    "weir.yaml:4:20 data_dir: Must be a text, a number, true or false",
  ]);
});

Deno.test("readYamlLayer() refuses keys that are no texts", () => {
  assertStringIncludes(linesOf("? [a, b]\n: 1\n")[0], "A key must be a plain text");
  assertStringIncludes(linesOf("? {a: b}\n: 1\n")[0], "A key must be a plain text");
  assertStringIncludes(linesOf(": 1\n")[0], "A key must be a plain text");
  assertStringIncludes(linesOf("1: 2\n")[0], 'weir.yaml:1:1 ["1"]: Is no setting');
});

Deno.test("readYamlLayer() shows keys that steer a terminal escaped", () => {
  const [line] = linesOf('"a\\e[31mb\\x9b": 1\n');
  assertEquals(line, 'weir.yaml:1:1 ["a\\u001b[31mb?"]: Is no setting');
});

Deno.test("readYamlLayer() stops at a depth that no setting has", () => {
  const nested = (levels: number): string =>
    linesOf(`x: ${"[".repeat(levels)}${"]".repeat(levels)}\n`).join("\n");
  assertEquals(nested(31), "weir.yaml:1:1 x: Is no setting");
  assertStringIncludes(nested(32), ": Nests more than 32 levels");
});

Deno.test("readYamlLayer() bounds what references bring in", () => {
  const text = "server:\n  cors_origins: [" + '"${BIG}",'.repeat(200) + "]\n";
  const lines = linesOf(text, { env: { BIG: "x".repeat(60_000) } });
  assert(lines.some((line) => line.includes("More than 4194304 characters from references")));
});

Deno.test("readYamlLayer() comes back from hostile files, whatever they hold", () => {
  const size = 64 * 1024;
  const deep = (open: string): string => open.repeat(size / open.length);
  let steps = "";
  for (let i = 0; i < 300; i++) steps += " ".repeat(i) + "a:\n";
  const many = (line: (i: number) => string): string =>
    Array.from({ length: 4000 }, (_, i) => line(i)).join("\n");
  const hostile = {
    "flow lists": deep("["),
    "flow maps": deep("{a: "),
    "block lists": deep("- "),
    "explicit keys": deep("? "),
    "indentation": steps,
    "unknown keys": many((i) => `key_${i}: 1`),
    "the same key": many(() => "server: {}"),
    "anchors": many((i) => `k${i}: &a${i} 1`),
    "aliases": "a: &a 1\n" + many((i) => `k${i}: *a`),
    "syntax errors": many(() => "a: b: c"),
    "NUL": deep("\0\u0001"),
    "an open quote": `a: "${deep("\\")}`,
    "line breaks in a quote": `a: "${deep("\n")}`,
    "colons": deep(": "),
    "tags": deep("!"),
    "commas": "[" + deep(","),
    "a long key": `${deep("k")}: 1`,
    "a long value": `data_dir: ${deep("v")}`,
    "clients": "auth:\n  clients:\n" + many(() => "    - {}"),
  };
  for (const [name, text] of Object.entries(hostile)) {
    const started = performance.now();
    const lines = linesOf(text);
    assert(lines.length <= 101, name);
    assert(lines.every((line) => line.length < 600), `${name}: ${lines.map((line) => line.length)}`);
    assert(performance.now() - started < 30_000, name);
  }
});

Deno.test("loadConfig() throws nothing but a ConfigError for any text", () => {
  const words = [
    "server",
    "port",
    "auth",
    "clients",
    "log",
    "level",
    "__proto__",
    "a",
    "1",
    "true",
    "~",
    "${A}",
  ];
  const marks = [
    ": ",
    "\n",
    "  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    '"',
    "'",
    "#",
    "&x",
    "*x",
    "|",
    "!",
    "\t",
    "\r\n",
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words, ...marks), { maxLength: 40 }), (pieces) => {
      try {
        loadText(pieces.join(""), { env: { A: "[x" } });
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        assert(error.issues.length > 0);
        assert(error.issues.every(({ line, message }) => line >= 0 && message !== ""));
      }
    }),
    { seed: 23, numRuns: 1500 },
  );
});
