import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { defaultConfig } from "../../src/config/schema.ts";
import { settings } from "../../src/config/settings.ts";
import { errorOf } from "./support.ts";

const folder = new URL("../../config/", import.meta.url).pathname;
const examples = `${folder}examples/`;
const secrets = { SHOP_SECRET: "a", CHECKOUT_SECRET: "b" };

Deno.test("config/weir.yaml says what the defaults are", () => {
  const { config, warnings } = loadConfig({ args: { config: `${folder}weir.yaml` }, env: {} });
  assertEquals(config, defaultConfig());
  assertEquals(warnings, []);
});

Deno.test("config/weir.yaml names every setting", async () => {
  const { origins } = loadConfig({ args: { config: `${folder}weir.yaml` }, env: {} });
  const missing = settings.filter(({ path }) => origins[path] === "default").map(({ path }) => path);
  assertEquals(missing, []);
  const text = await Deno.readTextFile(`${folder}weir.yaml`);
  for (
    const key of [
      "ignore_cors_and_secret",
      "allow_unsafe_revenue",
      "block_ips",
      "block_profile_ids",
      "drop_events",
    ]
  ) {
    assertStringIncludes(text, key);
  }
});

Deno.test("config/weir.yaml has the settings in the order of the schema", async () => {
  const file = parse(await Deno.readTextFile(`${folder}weir.yaml`)) as Record<string, object | string>;
  const paths = Object.entries(file).flatMap(([key, value]) =>
    typeof value === "string" ? [key] : Object.keys(value).map((below) => `${key}.${below}`)
  );
  assertEquals(paths, settings.map(({ path }) => path));
});

Deno.test("the commented clients and apps of config/weir.yaml can be used", async () => {
  const text = await Deno.readTextFile(`${folder}weir.yaml`);
  const uncommented = text.replace(/^ {2}(clients|apps): \[\]$/gm, "").replace(
    /^ {2}# (clients:|apps:| {2})/gm,
    "  $1",
  );
  const readFile = (): Uint8Array => new TextEncoder().encode(uncommented);
  const { config } = loadConfig({ args: { config: "x" }, env: secrets, readFile });
  assertEquals(config.auth.clients.map(({ project, secret }) => [project, secret]), [["shop", "a"]]);
  assertEquals(config.auth.apps, [{
    id: "checkout",
    secret: "b",
    enabled: true,
    sdk_token: "anything-that-pages-may-know",
    capture: ["action", "net"],
  }]);
});

Deno.test("the commented tRPC routes of config/weir.yaml can be used", async () => {
  const text = await Deno.readTextFile(`${folder}weir.yaml`);
  const [block] = /^# trpc:\n(?:# .*\n)+/m.exec(text) as RegExpExecArray;
  const readFile = (): Uint8Array => new TextEncoder().encode(block.replace(/^# /gm, ""));
  const { config } = loadConfig({ args: { config: "x" }, env: {}, readFile });
  const [{ prefix, transformer, procedures }] = config.trpc.routes;
  assertEquals([prefix, transformer, procedures.length], ["/api/trpc", "superjson", 1]);
});

for (const name of ["small", "public_with_auth", "high_volume", "trpc_proxy"]) {
  Deno.test(`config/examples/${name}.yaml loads without a warning`, () => {
    const { config, warnings } = loadConfig({ args: { config: `${examples}${name}.yaml` }, env: secrets });
    assertEquals(warnings, []);
    assert(JSON.stringify(config) !== JSON.stringify(defaultConfig()));
  });
}

Deno.test("config/examples/ holds no file that is not tested", () => {
  const names = [...Deno.readDirSync(examples)].map(({ name }) => name).sort();
  assertEquals(names, ["high_volume.yaml", "public_with_auth.yaml", "small.yaml", "trpc_proxy.yaml"]);
});

Deno.test("config/examples/public_with_auth.yaml does not load without its secrets", () => {
  const args = { config: `${examples}public_with_auth.yaml` };
  const { issues } = errorOf(() => loadConfig({ args, env: { SHOP_SECRET: "" } }));
  assertEquals(issues.map(({ path }) => path), ["auth.clients[0].secret", "auth.apps[0].secret"]);
});

Deno.test("config files name their schema for editors", async () => {
  const files: [string, string][] = [
    ["weir.yaml", "./schema.json"],
    ["examples/small.yaml", "../schema.json"],
    ["examples/public_with_auth.yaml", "../schema.json"],
    ["examples/high_volume.yaml", "../schema.json"],
    ["examples/trpc_proxy.yaml", "../schema.json"],
  ];
  for (const [file, schema] of files) {
    const [first] = (await Deno.readTextFile(folder + file)).split("\n");
    assertEquals(first, `# yaml-language-server: $schema=${schema}`);
    assert((await Deno.stat(new URL(schema, `file://${folder}${file}`))).isFile);
  }
});
