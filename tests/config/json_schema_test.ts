import { assert, assertEquals } from "@std/assert";
import { configJsonSchema, configJsonSchemaText } from "../../src/config/json_schema.ts";
import { settings } from "../../src/config/settings.ts";

type Node = Record<string, unknown>;

function nodeAt(path: string): Node {
  let node: Node = configJsonSchema();
  for (const key of path.split(".")) node = (node.properties as Record<string, Node>)[key];
  return node;
}

Deno.test("configJsonSchemaText() is what config/schema.json holds", async () => {
  const file = new URL("../../config/schema.json", import.meta.url);
  assertEquals(await Deno.readTextFile(file), configJsonSchemaText(), "run: deno task docs");
});

Deno.test("configJsonSchema() has default and description of every setting", () => {
  for (const { path, default: fallback, description } of settings) {
    assertEquals(nodeAt(path).default, fallback, path);
    assertEquals(nodeAt(path).description, description, path);
  }
});

Deno.test("configJsonSchema() refuses unknown keys at every level", () => {
  const schema = configJsonSchema();
  assertEquals(schema.additionalProperties, false);
  assertEquals(nodeAt("server").additionalProperties, false);
  assertEquals((nodeAt("auth.clients").items as Node).additionalProperties, false);
});

Deno.test("configJsonSchema() lets references and empty sections through, as the loader does", () => {
  assertEquals(nodeAt("server.port").anyOf, [
    { type: "integer", minimum: 0, maximum: 65_535 },
    { type: "string", pattern: "\\$\\{" },
  ]);
  assertEquals(nodeAt("server").type, ["object", "null"]);
  const branches = nodeAt("limits.max_row_bytes").anyOf as Node[];
  assert(branches.some(({ type }) => type === "integer") && branches.length === 3);
});
