import { assert, assertEquals, assertMatch } from "@std/assert";
import { defaultConfig } from "../../src/config/schema.ts";
import {
  coerceText,
  factsAt,
  nearestSibling,
  sections,
  settings,
  settingsNamed,
  settingValue,
} from "../../src/config/settings.ts";
import { settingsTable } from "../../src/config/settings_table.ts";

/** Paths of everything in an object that is no object itself. */
function leaves(value: unknown, path: string[] = []): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [path.join(".")];
  return Object.entries(value).flatMap(([key, below]) => leaves(below, [...path, key]));
}

Deno.test("settings lists every leaf of the configuration", () => {
  assertEquals(settings.map(({ path }) => path), leaves(defaultConfig()));
});

Deno.test("settings carry names with units, descriptions and defaults", () => {
  for (const { path, kind, description, default: fallback } of settings) {
    assertMatch(path, /^[a-z_]+(\.[a-z_]+)?$/);
    assertMatch(description, /^[A-Z].*[^.]$/, path);
    assertEquals(settingValue(defaultConfig(), path), fallback, path);
    if (kind === "size") assertMatch(path, /_bytes$/);
  }
});

Deno.test("sections lists what stands around settings", () => {
  assert(sections.includes("server") && sections.includes("auth"));
  assertEquals(sections.includes(""), false);
});

Deno.test("factsAt() finds fields inside lists, and nothing beside the schema", () => {
  assertEquals(factsAt([])?.kind, "section");
  assertEquals(factsAt(["server", "port"])?.kind, "integer");
  assertEquals(factsAt(["auth", "clients", 3, "secret"]), { kind: "text", secret: true });
  assertEquals(factsAt(["auth", "clients", 3])?.kind, "section");
  const nowhere: (string | number)[][] = [["x"], ["server", 0], ["server", "port", "x"], [
    "auth",
    "clients",
    "id",
  ]];
  for (const path of [...nowhere, ["__proto__"], ["server", "constructor"], ["data_dir", "length"]]) {
    assertEquals(factsAt(path), undefined, path.join("."));
  }
});

Deno.test("coerceText() makes numbers and booleans where they are wanted, of texts that are exactly one", () => {
  assertEquals(coerceText(["server", "port"], "7400"), 7400);
  assertEquals(coerceText(["server", "port"], "-1"), -1);
  for (const text of ["7400 ", "7_400", "0x10", "1e3", "", "NaN", "1.0", "9".repeat(40)]) {
    assertEquals(coerceText(["server", "port"], text), text);
  }
  assertEquals(coerceText(["auth", "enabled"], "true"), true);
  assertEquals(coerceText(["auth", "enabled"], "True"), "True");
  assertEquals(coerceText(["auth", "clients", 0, "ignore_cors_and_secret"], "false"), false);
  assertEquals(coerceText(["auth", "apps", 0, "secret"], "12345"), "12345");
  assertEquals(coerceText(["unknown"], "1"), "1");
});

Deno.test("nearestSibling() and settingsNamed() find what an unknown key was meant for", () => {
  assertEquals(nearestSibling(["flsuh"]), "flush");
  assertEquals(nearestSibling(["auth", "clients", 0, "projct"]), "project");
  assertEquals(nearestSibling(["nowhere", "port"]), undefined);
  assertEquals(settingsNamed("port"), ["server.port", "admin.port"]);
  assertEquals(settingsNamed("server.port"), ["server.port"]);
  assertEquals(settingsNamed("zzz"), []);
});

Deno.test("settingsTable() says of every setting whether a reload changes it", () => {
  const rows = new Map(settingsTable().map((row) => [row.path, row]));
  assertEquals(rows.size, settings.length);
  assertEquals(rows.get("log.level")?.reloadable, true);
  assertEquals(rows.get("server.port"), {
    path: "server.port",
    default: 7400,
    description: "TCP port; 0 takes a free one",
    reloadable: false,
  });
});
