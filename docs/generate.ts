/**
 * Writes what the documentation takes from the code: tables between `<!-- generated:name -->` and
 * `<!-- /generated -->`, and config/schema.json. With `--check` it writes nothing and names what is stale.
 * @module
 */

import { errorTable } from "../src/base/errors.ts";
import { faultPlaces } from "../src/base/faults.ts";
import { logFields } from "../src/base/log.ts";
import { metricTable } from "../src/base/metrics.ts";
import { rejectionReasons } from "../src/base/outcome.ts";
import { recordKinds } from "../src/base/record.ts";
import { configJsonSchema, configJsonSchemaText } from "../src/config/json_schema.ts";
import { factsAt } from "../src/config/settings.ts";
import { type SettingRow, settingsTable } from "../src/config/settings_table.ts";
import { markdownTable, replaceRegion } from "./markdown.ts";

/** A generated region: its page below docs/, its name, and what stands in it. */
interface Region {
  readonly page: string;
  readonly name: string;
  render(): string;
}

const regions: Region[] = [
  { page: "errors.md", name: "errors", render: renderErrors },
  { page: "errors.md", name: "rejections", render: () => renderWords("reason", rejectionReasons) },
  { page: "metrics.md", name: "metrics", render: renderMetrics },
  { page: "logs.md", name: "fields", render: () => renderWords("field", logFields) },
  { page: "configuration.md", name: "settings", render: renderSettings },
  { page: "files.md", name: "folders", render: renderFolders },
  { page: "faults.md", name: "places", render: () => renderWords("place", faultPlaces) },
];

const root = new URL("../", import.meta.url);

if (import.meta.main) Deno.exitCode = await generate(Deno.args.includes("--check"));

/** Writes every file that is stale; or, for a check, names them and returns 1. */
async function generate(check: boolean): Promise<number> {
  const stale: string[] = [];
  for (const { path, text } of await generatedFiles()) {
    if (await readOrEmpty(path) === text) continue;
    stale.push(path);
    if (!check) await Deno.writeTextFile(new URL(path, root), text);
  }
  if (stale.length === 0) return 0;
  say(`${check ? "Stale, run deno task docs" : "Written"}: ${stale.join(", ")}`);
  return check ? 1 : 0;
}

/** Every file with generated content, as it should be. Paths are relative to the root. */
async function generatedFiles(): Promise<{ path: string; text: string }[]> {
  const pages = new Map<string, string>();
  for (const { page, name, render } of regions) {
    const text = pages.get(page) ?? await Deno.readTextFile(new URL(`docs/${page}`, root));
    pages.set(page, replaceRegion(text, name, render()));
  }
  const files = [...pages].map(([page, text]) => ({ path: `docs/${page}`, text }));
  return [...files, { path: "config/schema.json", text: configJsonSchemaText() }];
}

function renderErrors(): string {
  const rows = Object.entries(errorTable).map(([code, { status, level, retryable, hint }]) => [
    asCode(code),
    String(status),
    retryable ? "yes" : "no",
    level,
    hint,
  ]);
  return markdownTable(["code", "status", "retry", "log level", "what to do"], rows);
}

function renderMetrics(): string {
  const rows = Object.entries(metricTable).map(([name, row]) => [
    asCode(name),
    row.type,
    "labels" in row ? row.labels.map(asCode).join(", ") : "",
    row.help,
  ]);
  return markdownTable(["metric", "type", "labels", "meaning"], rows);
}

/** One row for each folder of parts. Kinds without a folder never leave journal and catalog. */
function renderFolders(): string {
  const kinds = Object.entries(recordKinds).filter(([, { directory }]) => directory !== "");
  const rows = [...Map.groupBy(kinds, ([, { directory }]) => directory)].map(([directory, group]) => [
    asCode(`${directory}/`),
    [...group[0][1].owner === "" ? [] : [`${group[0][1].owner}=`], "date="].map(asCode).join(", "),
    // A batch has no line of its own: it lies in that of its request, and a test event in that of its run.
    group.map(([kind]) => kind === "test_event" ? "run" : kind).filter((kind) => kind !== "batch").map(asCode)
      .join(", "),
  ]);
  return markdownTable(["folder", "partitioned by", "kind of its lines"], rows);
}

function renderWords(head: string, words: Readonly<Record<string, string>>): string {
  return markdownTable([head, "meaning"], Object.entries(words).map(([word, text]) => [asCode(word), text]));
}

/** One table for each section, under its name and description; settings without a section come first. */
function renderSettings(): string {
  const sections = configJsonSchema().properties as Record<string, { description?: string }>;
  const rowsBySection = Map.groupBy(
    settingsTable(),
    ({ path }) => path.includes(".") ? path.split(".")[0] : "",
  );
  const alone = rowsBySection.get("") ?? [];
  const rest = [...rowsBySection].filter(([section]) => section !== "");
  const blocks = rest.map(([section, rows]) =>
    `### ${section}\n\n${sections[section].description ?? ""}\n\n${renderSettingRows(rows)}`
  );
  return [`### Without a section\n\n${renderSettingRows(alone)}`, ...blocks].join("\n");
}

function renderSettingRows(rows: readonly SettingRow[]): string {
  const cells = rows.map((row) => [
    asCode(row.path),
    asCode(defaultText(row)),
    row.reloadable ? "live" : "restart",
    row.description,
  ]);
  return markdownTable(["setting", "default", "change", "meaning"], cells);
}

/** A default as one would write it in the file: sizes with the largest unit that divides them. */
function defaultText({ path, default: value }: SettingRow): string {
  if (typeof value !== "number" || factsAt(path.split("."))?.kind !== "size") return JSON.stringify(value);
  const units = ["GiB", "MiB", "KiB"];
  const unit = units.findIndex((_, i) => value > 0 && value % 1024 ** (3 - i) === 0);
  return unit < 0 ? String(value) : `${value / 1024 ** (3 - unit)}${units[unit]}`;
}

function asCode(text: string): string {
  return "`" + text + "`";
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(new URL(path, root));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));
}
