import { assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { configVerb } from "../../src/cli/config.ts";
import { configJsonSchemaText } from "../../src/config/json_schema.ts";
import { settings } from "../../src/config/settings.ts";
import { loadText } from "../config/support.ts";
import { tempDir } from "../support/temp.ts";
import { recordingIo } from "./recording_io.ts";

const id = "00000000-0000-0000-0000-000000000000";

/** Runs the verb; fails unless it succeeds. */
async function print(args: string[], env: Record<string, string> = {}): Promise<string> {
  const io = recordingIo(env);
  assertEquals(await configVerb(["print", ...args], io), 0, io.err());
  return io.out();
}

Deno.test("config print tells value and origin of every setting", async () => {
  await using dir = await tempDir();
  const file = `${dir.path}/a.yaml`;
  await Deno.writeTextFile(file, "log:\n  level: debug\n");
  const out = await print(["--config", file, "--port", "1"], { WEIR_DATA_DIR: "/d" });
  for (const { path } of settings) assertStringIncludes(out, `${path.split(".").pop()}:`);
  assertStringIncludes(out, `level: debug # ${file}:2\n`);
  assertStringIncludes(out, "port: 1 # flag --port\n");
  assertStringIncludes(out, "data_dir: /d # env WEIR_DATA_DIR\n");
  assertStringIncludes(out, "durability: fsync # default\n");
  assertStringIncludes(out, "trusted_proxies: [127.0.0.0/8, ::1/128] # default\n");
});

Deno.test("config print writes what the daemon reads as the same again", async () => {
  const clients = [{
    id,
    project: "${p}$",
    ignore_cors_and_secret: true,
    block_profile_ids: ["# no", "a: b"],
  }];
  const env = {
    WEIR_AUTH__CLIENTS: JSON.stringify(clients),
    WEIR_DATA_DIR: "/a b/${HOME}/$$#'\"" + "x".repeat(200),
    WEIR_SERVER__CORS_ORIGINS: "[]",
  };
  const printed = await print([], env);
  assertEquals(loadText(printed).config, loadText("", { env }).config);
});

Deno.test("config print masks secrets in both forms", async () => {
  const env = {
    WEIR_AUTH__CLIENTS: JSON.stringify([{ id, project: "p", secret: "hunter2" }]),
    WEIR_AUTH__APPS: JSON.stringify([{ id: "a", secret_hash: `${"0a".repeat(16)}.${"1b".repeat(32)}` }]),
  };
  for (const args of [[], ["--json"]]) {
    const out = await print(args, env);
    assertFalse(out.includes("hunter2") || out.includes("1b1b"));
    assertEquals(out.split("********").length, 3);
  }
});

Deno.test("config print says where a list with items comes from", async () => {
  const out = await print([], { WEIR_AUTH__APPS: "[{ id: a, secret: s }]" });
  assertStringIncludes(out, "  # env WEIR_AUTH__APPS\n  apps:\n    - id: a\n");
});

Deno.test("config print --json has one entry for each setting", async () => {
  const rows = JSON.parse(await print(["--json"], { WEIR_SERVER__PORT: "5" }));
  assertEquals(Object.keys(rows), settings.map(({ path }) => path));
  assertEquals(rows["server.port"], { value: 5, origin: "env WEIR_SERVER__PORT" });
  assertEquals(rows["limits.max_row_bytes"], { value: 8 * 1024 * 1024, origin: "default" });
});

Deno.test("config print keeps warnings off standard output", async () => {
  const io = recordingIo({ WEIR_IDENTITIES__KEEP_MS: "1" });
  assertEquals(await configVerb(["print", "--json"], io), 0);
  assertEquals(JSON.parse(io.out())["identities.keep_ms"].value, 1);
  assertStringIncludes(io.err(), "warning: env WEIR_IDENTITIES__KEEP_MS identities.keep_ms: ");
});

Deno.test("config schema prints the JSON Schema", async () => {
  const io = recordingIo({ WEIR_NONSENSE: "1" });
  assertEquals(await configVerb(["schema"], io), 0);
  assertEquals(io.out(), configJsonSchemaText());
});

Deno.test("config exits with 64 for a wrong command line and 78 for a wrong configuration", async () => {
  for (const args of [[], ["show"], ["print", "more"], ["print", "--jsn"]]) {
    assertEquals(await configVerb(args, recordingIo()), 64, args.join(" "));
  }
  const io = recordingIo();
  assertEquals(await configVerb(["print", "--port", "x"], io), 78);
  assertEquals([io.out(), io.err().startsWith("flag --port server.port: ")], ["", true]);
});

Deno.test("config --help explains itself", async () => {
  const io = recordingIo();
  assertEquals(await configVerb(["--help"], io), 0);
  assertStringIncludes(io.out(), "Usage: weir config print");
});
