import { assertEquals, assertNotEquals } from "@std/assert";
import { ConfigError, formatIssue, pathText, shownPath } from "../../src/config/issue.ts";

Deno.test("formatIssue() leaves out what is not known", () => {
  const issue = { file: "weir.yaml", line: 3, col: 9, path: "server.port", message: "Must be smaller" };
  assertEquals(formatIssue(issue), "weir.yaml:3:9 server.port: Must be smaller");
  assertEquals(formatIssue({ ...issue, path: "" }), "weir.yaml:3:9: Must be smaller");
  assertEquals(
    formatIssue({ ...issue, file: "flag --port", line: 0, col: 0 }),
    "flag --port server.port: Must be smaller",
  );
  assertEquals(formatIssue({ ...issue, file: "", line: 0 }), "server.port: Must be smaller");
  assertEquals(formatIssue({ ...issue, file: "", line: 0, path: "" }), "Must be smaller");
});

Deno.test("ConfigError has the exit code of sysexits and one line for each issue", () => {
  const issues = ["a", "b"].map((path) => ({ file: "f", line: 1, col: 1, path, message: "Is wrong" }));
  const error = new ConfigError(issues);
  assertEquals(error.exitCode, 78);
  assertEquals(error.message, "f:1:1 a: Is wrong\nf:1:1 b: Is wrong");
});

Deno.test("ConfigError prints no more issues than a person reads", () => {
  const issue = { file: "f", line: 1, col: 1, path: "a", message: "Is wrong" };
  const error = new ConfigError(Array.from({ length: 5000 }, () => issue));
  assertEquals(error.issues.length, 5000);
  assertEquals(error.message.split("\n").length, 101);
  assertEquals(error.message.split("\n")[100], "4900 more not shown");
});

Deno.test("pathText() tells every two paths apart", () => {
  assertEquals(pathText(["auth", "clients", 0, "id"]), "auth.clients[0].id");
  assertEquals(pathText([]), "");
  assertNotEquals(pathText(["server.port"]), pathText(["server", "port"]));
  assertNotEquals(pathText(["a[0]"]), pathText(["a", 0]));
  assertNotEquals(pathText(["a", "0"]), pathText(["a", 0]));
});

Deno.test("shownPath() keeps terminals safe from keys, and lines short", () => {
  assertEquals(shownPath(["a\u001b[31m"]), '["a\\u001b[31m"]');
  assertEquals(shownPath(["a\u009b31m"]), '["a?31m"]');
  assertEquals(shownPath(["x".repeat(10_000)]).length < 80, true);
});
