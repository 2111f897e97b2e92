/**
 * The JSON Schema of a configuration file, for editors: config/schema.json is made here.
 * @module
 */

import { z } from "zod";
import { fieldFacts } from "./fields.ts";
import { configSchema } from "./schema.ts";
import { settings } from "./settings.ts";

type Json = Record<string, unknown>;

/** Kinds whose value is checked more closely than "a text", so that a `${VAR}` needs to be let through. */
const narrowKinds = new Set(["integer", "size", "boolean", "choice"]);

/** The schema of the file as it is written, draft 7, which YAML editors know best. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, {
    io: "input",
    target: "draft-7",
    override: ({ zodSchema, jsonSchema }) => adjust(zodSchema, jsonSchema as Json),
  }) as Json;
  for (const { path, default: value } of settings) nodeAt(schema, path).default = value;
  const { $schema, ...rest } = schema;
  return { $schema, title: "Configuration of Weir", ...rest };
}

/** The text of config/schema.json. */
export function configJsonSchemaText(): string {
  return JSON.stringify(configJsonSchema(), null, 2) + "\n";
}

/** The loader also takes `section:` with nothing below it, and references to the environment. */
function adjust(zodSchema: z.core.$ZodType, node: Json): void {
  const facts = fieldFacts.get(zodSchema);
  if (facts === undefined) return;
  if (facts.kind === "section") {
    delete node.default;
    if (zodSchema._zod.def.type === "prefault") node.type = ["object", "null"];
    return;
  }
  const narrow = narrowKinds.has(facts.kind) || node.pattern !== undefined;
  if (!narrow) return;
  const { description, default: fallback, ...constraints } = node;
  for (const key of Object.keys(node)) delete node[key];
  if (description !== undefined) node.description = description;
  if (fallback !== undefined) node.default = fallback;
  node.anyOf = [
    ...(Array.isArray(constraints.anyOf) ? constraints.anyOf : [constraints]),
    { type: "string", pattern: "\\$\\{" },
  ];
}

function nodeAt(schema: Json, path: string): Json {
  let node = schema;
  for (const key of path.split(".")) node = (node.properties as Record<string, Json>)[key];
  return node;
}
