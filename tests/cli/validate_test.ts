import { assertEquals, assertStringIncludes } from "@std/assert";
import { validateVerb } from "../../src/cli/validate.ts";
import { tempDir } from "../support/temp.ts";
import { type RecordingIo, recordingIo } from "./recording_io.ts";

/** Runs the verb over a file with this text. */
async function validate(
  text: string,
  env: Record<string, string> = {},
): Promise<[number, RecordingIo, string]> {
  await using dir = await tempDir();
  const file = `${dir.path}/a.yaml`;
  await Deno.writeTextFile(file, text);
  const io = recordingIo(env);
  return [await validateVerb([file], io), io, file];
}

Deno.test("validate prints ok for a file that the daemon would take", async () => {
  const [code, io] = await validate("server:\n  port: ${PORT}\n", { PORT: "80" });
  assertEquals([code, io.out(), io.err()], [0, "ok\n", ""]);
});

Deno.test("validate prints every error in order and exits with 78", async () => {
  const [code, io, file] = await validate("server:\n  prot: 80\nlog:\n  level: loud\n");
  assertEquals([code, io.out()], [78, ""]);
  assertEquals(io.err().split("\n"), [
    `${file}:2:3 server.prot: Is no setting: did you mean port`,
    `${file}:4:10 log.level: Must be error, warn, info or debug: current value is "loud"`,
    "",
  ]);
});

Deno.test("validate counts the environment in, as the daemon does", async () => {
  const [code, io] = await validate("log: {}\n", { WEIR_SERVER__PORT: "x" });
  assertEquals(code, 78);
  assertStringIncludes(io.err(), "env WEIR_SERVER__PORT server.port: ");
});

Deno.test("validate warns on standard error and still says ok", async () => {
  const [code, io, file] = await validate("identities:\n  keep_ms: 1\n");
  assertEquals([code, io.out()], [0, "ok\n"]);
  assertStringIncludes(io.err(), `warning: ${file}:2:12 identities.keep_ms: Is shorter than`);
});

Deno.test("validate checks the file it is given, not the one in WEIR_CONFIG", async () => {
  const [code] = await validate("log: {}\n", { WEIR_CONFIG: "/no/such/file" });
  assertEquals(code, 0);
});

Deno.test("validate exits with 64 for a wrong command line", async () => {
  for (const args of [[], ["a", "b"], ["--fiel", "a"]]) {
    const io = recordingIo();
    assertEquals(await validateVerb(args, io), 64, args.join(" "));
    assertStringIncludes(io.err(), "weir: ");
    assertEquals(io.out(), "");
  }
});

Deno.test("validate exits with 78 for a file that cannot be read", async () => {
  const io = recordingIo();
  assertEquals(await validateVerb(["/no/such.yaml"], io), 78);
  assertEquals(io.err(), "/no/such.yaml: Cannot read the configuration file: there is no such file\n");
});

Deno.test("validate --help explains itself", async () => {
  const io = recordingIo();
  assertEquals(await validateVerb(["--help"], io), 0);
  assertStringIncludes(io.out(), "Usage: weir validate FILE");
});
