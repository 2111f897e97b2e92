import { assert, assertEquals } from "@std/assert";
import { fences, regionOf, tableCells } from "../../docs/markdown.ts";
import { errorTable } from "../../src/base/errors.ts";
import { faultPlaces } from "../../src/base/faults.ts";
import { logFields } from "../../src/base/log.ts";
import { metricTable } from "../../src/base/metrics.ts";
import { rejectionReasons } from "../../src/base/outcome.ts";
import { ConfigError } from "../../src/config/issue.ts";
import { loadConfig } from "../../src/config/load.ts";
import { settingsTable } from "../../src/config/settings_table.ts";
import { filesBelow } from "../support/parts.ts";

const root = new URL("../../", import.meta.url).pathname;
/** Stands for `WEIR_`-less variables that snippets ask for. */
const snippetEnv = { WEB_SECRET_HASH: `${"0".repeat(32)}.${"0".repeat(64)}` };

async function cellsOf(page: string, region: string): Promise<string[][]> {
  const content = regionOf(await Deno.readTextFile(`${root}docs/${page}`), region);
  assert(content !== undefined, `docs/${page} has no region ${region}`);
  return tableCells(content);
}

/** README.md and every page below docs/. */
async function pages(): Promise<string[]> {
  const files = [...await filesBelow(root.slice(0, -1), "docs"), "README.md"];
  return files.filter((file) => file.endsWith(".md"));
}

Deno.test("docs/errors.md lists the table of errors", async () => {
  const rows = Object.entries(errorTable).map(([code, { status, retryable, level, hint }]) => {
    return ["`" + code + "`", String(status), retryable ? "yes" : "no", level, hint];
  });
  assertEquals(await cellsOf("errors.md", "errors"), rows);
});

Deno.test("docs/metrics.md lists every metric with its labels", async () => {
  const rows = Object.entries(metricTable).map(([name, row]) => {
    const labels = "labels" in row ? row.labels.map((label) => "`" + label + "`").join(", ") : "";
    return ["`" + name + "`", row.type, labels, row.help];
  });
  assertEquals(await cellsOf("metrics.md", "metrics"), rows);
});

Deno.test("the docs list every word of the smaller tables", async () => {
  const lists: [string, string, Record<string, string>][] = [
    ["errors.md", "rejections", rejectionReasons],
    ["logs.md", "fields", logFields],
    ["faults.md", "places", faultPlaces],
  ];
  for (const [page, region, words] of lists) {
    const rows = Object.entries(words).map(([word, meaning]) => ["`" + word + "`", meaning]);
    assertEquals(await cellsOf(page, region), rows);
  }
});

Deno.test("docs/configuration.md lists every setting, and whether a reload changes it", async () => {
  const listed = (await cellsOf("configuration.md", "settings")).map(([path, , change, meaning]) => {
    return [path, change, meaning];
  });
  const rows = settingsTable().map(({ path, reloadable, description }) => {
    return ["`" + path + "`", reloadable ? "live" : "restart", description];
  });
  assertEquals(listed.toSorted(), rows.toSorted());
});

Deno.test("docs/logs.md explains every warning and error that the code can log, and no other", async () => {
  const logged = new Map<string, string>();
  for (const file of await filesBelow(root.slice(0, -1), "src")) {
    const source = await Deno.readTextFile(root + file);
    for (const [, level, message] of source.matchAll(/\.(warn|error)\(\s*"([^"]+)"/g)) {
      logged.set(message, level);
    }
  }
  const page = await Deno.readTextFile(`${root}docs/logs.md`);
  const explained = tableCells(page.slice(0, page.indexOf("## Fields"))).map((
    [message, level],
  ) => [message, level]);
  assertEquals(explained.toSorted(), [...logged].toSorted());
});

Deno.test("every metric, error and fault place that the docs list is used by the code", async () => {
  let source = "";
  for (const file of await filesBelow(root.slice(0, -1), "src")) {
    if (!file.startsWith("src/base/")) source += await Deno.readTextFile(root + file);
  }
  const words = [errorTable, metricTable, faultPlaces].flatMap((table) => Object.keys(table));
  // `internal` is made in the room of the table itself, of whatever else is thrown.
  assertEquals(words.filter((word) => word !== "internal" && !source.includes(`"${word}"`)), []);
});

Deno.test("every yaml block of the docs is a configuration that the daemon takes", async () => {
  for (const page of await pages()) {
    for (const { language, words, text, line } of fences(await Deno.readTextFile(root + page))) {
      // Blocks for other programs say so: ```yaml compose.
      if (language !== "yaml" || words.length > 0) continue;
      const readFile = (): Uint8Array => new TextEncoder().encode(text);
      try {
        loadConfig({ args: { config: "weir.yaml" }, env: snippetEnv, readFile });
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        throw new Error(`${page}:${line} does not validate: ${error.message}`);
      }
    }
  }
});

Deno.test("every page that a page links to is there", async () => {
  for (const page of await pages()) {
    const text = await Deno.readTextFile(root + page);
    for (const [, target] of text.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)) {
      const path = new URL(target, `file://${root}${page}`).pathname;
      await Deno.stat(path).catch(() => assert(false, `${page} links to ${target}, which is not there`));
    }
  }
});
