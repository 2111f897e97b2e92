import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { loadConfig } from "../../src/config/load.ts";
import { maxConfigFileBytes, readConfigFile } from "../../src/config/read_config_file.ts";
import { tempDir } from "../support/temp.ts";
import { errorOf } from "./support.ts";

Deno.test("readConfigFile() gives the file's bytes", async () => {
  await using dir = await tempDir();
  await Deno.writeTextFile(`${dir.path}/a.yaml`, "log: {}\n");
  assertEquals(new TextDecoder().decode(readConfigFile(`${dir.path}/a.yaml`)), "log: {}\n");
});

Deno.test("readConfigFile() reads no more than a configuration can have, also of a file without end", () => {
  assertEquals(readConfigFile("/dev/zero").length, maxConfigFileBytes + 1);
});

Deno.test("readConfigFile() reads a pipe to its end, however it comes", async () => {
  await using dir = await tempDir();
  const pipe = `${dir.path}/pipe`;
  assertEquals((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success, true);
  const writer = new Deno.Command("sh", { args: ["-c", `head -c 300000 /dev/zero > ${pipe}`] }).spawn();
  assertEquals(readConfigFile(pipe).length, 300_000);
  await writer.status;
});

Deno.test("readConfigFile() throws what the system says", () => {
  assertThrows(() => readConfigFile("/no/such/file"), Deno.errors.NotFound);
});

Deno.test("loadConfig() reads a real file", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/a.yaml`;
  await Deno.writeTextFile(file, "server:\n  port: 0\n");
  const { config, origins } = loadConfig({ args: { config: file }, env: {} });
  assertEquals(config.server.port, 0);
  assertEquals(origins["server.port"], `${file}:2`);
});

Deno.test("loadConfig() says in one line that a file cannot be used", async () => {
  await using dir = await tempDir();
  const cases: [string, string][] = [
    [`${dir.path}/none.yaml`, "there is no such file"],
    [dir.path, "it is a directory"],
    ["/dev/zero", "larger than 1048576 bytes"],
  ];
  for (const [config, reason] of cases) {
    const { message } = errorOf(() => loadConfig({ args: { config }, env: {} }));
    assertStringIncludes(message, reason);
    assertEquals(message.split("\n").length, 1);
  }
});
