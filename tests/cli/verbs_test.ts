import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { verbs } from "../../src/cli/verbs.ts";
import { recordingIo } from "./recording_io.ts";

Deno.test("help names every verb and the version, also for --version", async () => {
  for (const asked of ["help", "--help", "--version"]) {
    const io = recordingIo();
    assertEquals([await verbs.help.run([asked], io), io.err()], [0, ""]);
    assertMatch(io.out(), /^weir \d+\.\d+\.\d+\n/);
    for (const { usage } of Object.values(verbs)) assertStringIncludes(io.out(), `weir ${usage}`);
  }
});

Deno.test("help for a verb that there is not says so, and exits with 64", async () => {
  const io = recordingIo();
  assertEquals([await verbs.help.run(["serv"], io), io.out()], [64, ""]);
  assertMatch(io.err(), /^There is no verb "serv"\n/);
});
