import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { interpolate } from "../../src/config/interpolate.ts";

const env = { HOST: "db", EMPTY: "", DOLLAR: "${HOST}$$" };

function textOf(text: string): string {
  const { text: out, problems } = interpolate(text, env);
  assertEquals(problems, []);
  return out;
}

Deno.test("interpolate() replaces a reference, several, and one beside text", () => {
  assertEquals(textOf("${HOST}"), "db");
  assertEquals(textOf("a-${HOST}-b-${HOST}"), "a-db-b-db");
  assertEquals(textOf("${EMPTY}"), "");
});

Deno.test("interpolate() takes the default where the variable is unset or empty", () => {
  assertEquals(textOf("${NONE:-x}"), "x");
  assertEquals(textOf("${EMPTY:-x}"), "x");
  assertEquals(textOf("${HOST:-x}"), "db");
  assertEquals(textOf("${NONE:-}"), "");
  assertEquals(textOf("${NONE:-http://a:1/?b#c}"), "http://a:1/?b#c");
  assertEquals(textOf("${NONE:-a\nb}"), "a\nb");
});

Deno.test("interpolate() keeps dollars that begin no reference, and reads $$ as one", () => {
  assertEquals(textOf("$"), "$");
  assertEquals(textOf("a$b $1"), "a$b $1");
  assertEquals(textOf("$$"), "$");
  assertEquals(textOf("$${HOST}"), "${HOST}");
  assertEquals(textOf("$$${HOST}"), "$db");
});

Deno.test("interpolate() does not look at a value again", () => {
  assertEquals(textOf("${DOLLAR}"), "${HOST}$$");
});

Deno.test("interpolate() says whether anything was replaced", () => {
  assertEquals(interpolate("5$$", env).replaced, false);
  assertEquals(interpolate("5", env).replaced, false);
  assertEquals(interpolate("${NONE:-5}", env).replaced, true);
});

Deno.test("interpolate() names a variable that must be set", () => {
  assertEquals(interpolate("${NONE}", env).problems, ["The environment variable NONE is not set"]);
  assertEquals(interpolate("${NONE:?give the host: a name}", env).problems, [
    "The environment variable NONE is not set: give the host: a name",
  ]);
  assertEquals(interpolate("${EMPTY:?}", env).problems, ["The environment variable EMPTY is not set"]);
  assertEquals(interpolate("${A}${B}", env).problems.length, 2);
});

Deno.test("interpolate() does not take what every object has for a variable", () => {
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
    assertEquals(interpolate("${" + name + "}", env).problems.length, 1, name);
  }
});

Deno.test("interpolate() refuses what is no reference", () => {
  for (const text of ["${}", "${1A}", "${A B}", "${A-b}", "${A:b}", "${A:+b}", "${ HOST }", "${HOST:}"]) {
    assertStringIncludes(interpolate(text, env).problems[0] ?? "nothing", "must be ${VAR}", text);
  }
  assertStringIncludes(interpolate("${HOST", env).problems[0], "closing");
  assertStringIncludes(interpolate("${NONE:-${HOST}}", env).problems[0], "nest");
});

Deno.test("interpolate() gives up on a text that grows without bounds", () => {
  const { text, problems } = interpolate("${BIG}".repeat(100_000), { BIG: "x".repeat(50_000) });
  assertEquals(text, "");
  assertStringIncludes(problems[0], "65536");
});

Deno.test("interpolate() never throws, and never lets a value into a problem", () => {
  const piece = fc.constantFrom("$", "{", "}", ":", "-", "?", "HOST", "NONE", "EMPTY", "SECRET", "x", " ");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const { problems } = interpolate(pieces.join(""), { ...env, SECRET: "hunter2" });
      assert(problems.every((problem) => !problem.includes("hunter2")));
    }),
    { seed: 7, numRuns: 3000 },
  );
});

Deno.test("interpolate() gives back any text whose dollars were doubled", () => {
  fc.assert(
    fc.property(fc.string(), (text) => assertEquals(textOf(text.replaceAll("$", "$$$$")), text)),
    { seed: 7 },
  );
});
