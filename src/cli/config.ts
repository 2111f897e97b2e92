/**
 * `weir config print` and `weir config schema`: what holds, where it comes from, and what may be set.
 * @module
 */

import { Document, isMap, isScalar, isSeq, type Node, type Scalar, visit } from "yaml";
import { formatIssue } from "../config/issue.ts";
import { configJsonSchemaText } from "../config/json_schema.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { maskSecrets } from "../config/mask.ts";
import { settings, settingValue } from "../config/settings.ts";
import {
  configFlagsOf,
  configFlagSpecs,
  describeFlags,
  parseFlags,
  reportFailure,
  UsageError,
} from "./flags.ts";
import type { CliIo } from "./io.ts";

const flagSpecs = { ...configFlagSpecs, json: { text: "Print JSON: setting to value and origin" } } as const;

const usage = `Usage: weir config print [flags]     every setting with its value and where it was set
       weir config schema            the JSON Schema of the file, for editors

Secrets are masked. Without --json the output is YAML that the daemon can read.

${describeFlags(flagSpecs)}`;

/** Runs the verb. */
// deno-lint-ignore require-await -- every verb has this form
export async function configVerb(args: string[], io: CliIo): Promise<number> {
  try {
    const { values, on, operands } = parseFlags(args, flagSpecs);
    if (on.has("help")) {
      io.stdout(usage);
      return 0;
    }
    const [what, ...more] = operands;
    if (more.length > 0) {
      throw new UsageError(`Cannot use what follows config ${what}: ${more.length} too many`);
    }
    if (what === "schema") io.stdout(configJsonSchemaText());
    else if (what === "print") {
      const loaded = loadConfig({ args: configFlagsOf(values), env: io.env });
      for (const warning of loaded.warnings) io.stderr(`warning: ${formatIssue(warning)}\n`);
      io.stdout(on.has("json") ? asJson(loaded) : asYaml(loaded));
    } else throw new UsageError("config needs one of: print, schema");
    return 0;
  } catch (error) {
    return reportFailure(error, io);
  }
}

function asJson({ config, origins }: LoadedConfig): string {
  const masked = maskSecrets(config);
  const rows = settings.map((
    { path },
  ) => [path, { value: settingValue(masked, path), origin: origins[path] }]);
  return JSON.stringify(Object.fromEntries(rows), null, 2) + "\n";
}

function asYaml({ config, origins }: LoadedConfig): string {
  const document = new Document(maskSecrets(config));
  for (const { path } of settings) {
    const keys = path.split(".");
    const section = keys.length > 1 ? document.getIn(keys.slice(0, -1)) : document.contents;
    const pair = isMap<Scalar, Node>(section)
      ? section.items.find(({ key }) => key.value === keys[keys.length - 1])
      : undefined;
    if (!pair?.value) continue;
    if (isSeq(pair.value) && pair.value.items.some(isMap)) {
      pair.key.commentBefore = ` ${origins[path]}`;
      continue;
    }
    if (isSeq(pair.value)) pair.value.flow = true;
    pair.value.comment = ` ${origins[path]}`;
  }
  // The loader would take a dollar sign for the begin of a reference.
  visit(document, {
    Scalar: (key, node) => {
      if (key !== "key" && isScalar<string>(node) && typeof node.value === "string") {
        node.value = node.value.replaceAll("$", "$$$$");
      }
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}
