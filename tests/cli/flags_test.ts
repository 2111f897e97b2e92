import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ConfigError } from "../../src/config/issue.ts";
import {
  configFlagsOf,
  configFlagSpecs,
  describeFlags,
  parseFlags,
  reportFailure,
  UsageError,
} from "../../src/cli/flags.ts";
import { recordingIo } from "./recording_io.ts";

function usageErrorOf(...args: string[]): string {
  return assertThrows(() => parseFlags(args, { ...configFlagSpecs, json: { text: "JSON" } }), UsageError)
    .message;
}

Deno.test("parseFlags() takes values with a space or =, switches and operands", () => {
  const specs = { ...configFlagSpecs, json: { text: "JSON" } };
  const { values, on, operands } = parseFlags(["a", "--port", "1", "--data-dir=/d=e", "--json", "b"], specs);
  assertEquals({ ...values }, { port: "1", "data-dir": "/d=e" });
  assertEquals([...on], ["json"]);
  assertEquals(operands, ["a", "b"]);
});

Deno.test("parseFlags() takes values that begin with a dash, and operands behind --", () => {
  assertEquals(parseFlags(["--port", "-1"], configFlagSpecs).values.port, "-1");
  assertEquals(parseFlags(["--data-dir=--x"], configFlagSpecs).values["data-dir"], "--x");
  assertEquals(parseFlags(["--", "--port", "-x"], configFlagSpecs).operands, ["--port", "-x"]);
  assertEquals(parseFlags(["-"], {}).operands, ["-"]);
});

Deno.test("parseFlags() knows --help everywhere", () => {
  assertEquals(parseFlags(["--help"], {}).on.has("help"), true);
});

Deno.test("parseFlags() refuses flags that it does not know, and says what was meant", () => {
  assertEquals(usageErrorOf("--prot", "1"), "Unknown flag --prot: did you mean --port");
  assertEquals(usageErrorOf("--datadir=/d"), "Unknown flag --datadir: did you mean --data-dir");
  assertEquals(usageErrorOf("--zzzzzz"), "Unknown flag --zzzzzz");
  assertEquals(usageErrorOf("-z"), "Unknown flag -z");
  assertEquals(usageErrorOf("--no-json"), "Unknown flag --no-json");
  assertEquals(usageErrorOf("--__proto__", "x"), "Unknown flag --__proto__");
  assertEquals(usageErrorOf("--constructor"), "Unknown flag --constructor");
});

Deno.test("parseFlags() refuses values that are missing, superfluous or repeated", () => {
  assertEquals(usageErrorOf("--port"), "--port needs a value: --port N");
  assertEquals(usageErrorOf("--port", "--json"), "--port needs a value: --port N");
  assertEquals(usageErrorOf("--json=1"), "--json takes no value");
  assertEquals(usageErrorOf("--port", "1", "--port=2"), "--port is given twice");
  assertEquals(usageErrorOf("--json", "--json"), "--json is given twice");
});

Deno.test("configFlagsOf() names the flags as the loader does", () => {
  const args = [
    "--config",
    "c",
    "--port",
    "1",
    "--admin-port",
    "2",
    "--data-dir",
    "d",
    "--log-format",
    "pretty",
  ];
  assertEquals(configFlagsOf(parseFlags([...args, "--log-level", "debug"], configFlagSpecs).values), {
    config: "c",
    port: "1",
    adminPort: "2",
    dataDir: "d",
    logFormat: "pretty",
    logLevel: "debug",
  });
  assertEquals(configFlagsOf({}), {});
});

Deno.test("describeFlags() has one line for each flag", () => {
  const lines = describeFlags(configFlagSpecs).trimEnd().split("\n");
  assertEquals(lines.length, Object.keys(configFlagSpecs).length + 1);
  assertStringIncludes(lines[0], "--config FILE");
});

Deno.test("reportFailure() gives the exit code of an error, and passes on what it does not know", () => {
  const io = recordingIo();
  assertEquals(reportFailure(new UsageError("Wrong"), io), 64);
  const issue = { file: "f", line: 1, col: 2, path: "a", message: "Is wrong" };
  assertEquals(reportFailure(new ConfigError([issue]), io), 78);
  assertEquals(io.err(), "weir: Wrong\nf:1:2 a: Is wrong\n");
  const bug = new TypeError("bug");
  assertEquals(assertThrows(() => reportFailure(bug, io)), bug);
});
