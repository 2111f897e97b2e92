import { assertEquals } from "@std/assert";
import plugin, { rooms } from "../../lint/layers.ts";

const root = new URL("../../", import.meta.url).pathname;

function messages(file: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, root + file, source).map((found) => found.message);
}

const order = rooms.join(" <- ");

Deno.test("layers lets a room import itself and what stands left of it", () => {
  for (let to = 0; to < rooms.length; to++) {
    for (let from = to; from < rooms.length; from++) {
      if (rooms[from] === "daemon" || rooms[to] === "daemon") continue;
      const source = `import { a } from "../${rooms[to]}/a.ts";`;
      assertEquals(messages(`src/${rooms[from]}/b.ts`, source), []);
    }
  }
});

Deno.test("layers says what was imported from where, and the direction, for every import to the right", () => {
  for (let from = 0; from < rooms.length; from++) {
    for (let to = from + 1; to < rooms.length; to++) {
      const path = rooms[to] === "daemon" ? "admin" : rooms[to];
      if (rooms[from] === "daemon") continue;
      assertEquals(messages(`src/${rooms[from]}/b.ts`, `import { a } from "../${path}/a.ts";`), [
        `src/${rooms[from]}/b.ts imports src/${path}/a.ts: ${
          rooms[from]
        } may import only itself and what stands ` +
        `left of it in ${order}`,
      ]);
    }
  }
});

Deno.test("layers sees every way to import", () => {
  const ways = [
    `import "../receive/a.ts";`,
    `import type { A } from "../receive/a.ts";`,
    `export * from "../receive/a.ts";`,
    `export { a } from "../receive/a.ts";`,
    `await import("../receive/a.ts");`,
    `new Worker(new URL("../receive/a.ts", import.meta.url), { type: "module" });`,
  ];
  for (const way of ways) assertEquals(messages("src/parse/b.ts", way).length, 1, way);
  assertEquals(
    messages("src/parse/b.ts", `export const a = 1; new URL("../receive/a.ts", "http://h"); import(a);`),
    [],
  );
});

Deno.test("layers puts pipeline, daemon, store and admin between receive and cli", () => {
  for (const file of ["src/pipeline.ts", "src/daemon.ts", "src/store.ts"]) {
    assertEquals(
      messages(file, `import "./receive/a.ts"; import "./admin/a.ts"; import "./pipeline.ts";`),
      [],
    );
    assertEquals(messages(file, `import "./cli/a.ts";`).length, 1);
    assertEquals(messages("src/receive/a.ts", `import "../${file.slice(4)}";`).length, 1);
    assertEquals(messages("src/cli/a.ts", `import "../${file.slice(4)}";`), []);
  }
});

Deno.test("layers keeps dialects apart, but not from what they share", () => {
  const shared = `import "../dialect.ts"; import "./schema.ts"; import "../../base/a.ts";`;
  assertEquals(messages("src/dialects/track/a.ts", shared), []);
  assertEquals(
    messages("src/dialects/list.ts", `import "./track/route.ts"; import "./backend/route.ts";`),
    [],
  );
  assertEquals(messages("src/dialects/track/a.ts", `import "../backend/schema.ts";`), [
    "src/dialects/track/a.ts imports src/dialects/backend/schema.ts: a dialect imports no other dialect; " +
    "move what both need to src/dialects/",
  ]);
});

Deno.test("layers keeps client and std free of the daemon", () => {
  assertEquals(messages("src/client/a.ts", `import "./b.ts"; import "npm:zod"; import "node:fs";`), []);
  assertEquals(messages("src/base/a.ts", `import "../std/assert.ts"; import "@std/assert";`), []);
  assertEquals(messages("src/client/a.ts", `import "../base/a.ts";`), [
    "src/client/a.ts imports src/base/a.ts: src/client/ imports nothing of the daemon",
  ]);
  assertEquals(messages("src/std/a.ts", `import "../base/a.ts";`).length, 1);
  assertEquals(messages("src/receive/a.ts", `import "../client/a.ts";`).length, 1);
});

Deno.test("layers refuses files outside src and in rooms that nobody knows", () => {
  assertEquals(messages("src/cli/a.ts", `import "../../tests/support/http.ts";`), [
    "src/cli/a.ts imports tests/support/http.ts: src/ imports nothing outside src/",
  ]);
  assertEquals(messages("src/cli/a.ts", `import config from "../../deno.json" with { type: "json" };`), []);
  assertEquals(messages("src/cli/a.ts", `import "../helpers/a.ts";`).length, 1);
  assertEquals(messages("src/helpers/a.ts", `import "../base/a.ts";`).length, 1);
  assertEquals(messages("src/stray.ts", `import "./base/a.ts";`).length, 1);
});

Deno.test("layers leaves main, tests and benches alone", () => {
  for (const file of ["main.ts", "tests/parse/a_test.ts", "bench/run.ts"]) {
    assertEquals(messages(file, `import "./src/cli/a.ts"; import "../src/receive/a.ts";`), []);
  }
});

Deno.test("exit lets only main.ts end the process", () => {
  assertEquals(messages("main.ts", "Deno.exit(1);"), []);
  assertEquals(messages("src/cli/serve.ts", "Deno.exit(1);"), [
    "src/cli/serve.ts ends the process: only main.ts may; return an exit code or set Deno.exitCode",
  ]);
  assertEquals(messages("tests/a_test.ts", "process.exit(1);").length, 1);
  assertEquals(messages("src/cli/serve.ts", "Deno.exitCode = 1; regex.exit();"), []);
});
