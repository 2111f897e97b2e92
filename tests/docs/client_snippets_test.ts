/** Runs every block of docs/clients.md that is marked "ts run", each as a program of its own, against a daemon. */

import { assert, assertEquals } from "@std/assert";
import { fences } from "../../docs/markdown.ts";
import { startDaemon } from "../support/daemon.ts";
import { tempDir } from "../support/temp.ts";

const root = new URL("../../", import.meta.url);

Deno.test("every ts block of docs/clients.md that is marked run works, and lets the program end", async (test) => {
  const blocks = fences(await Deno.readTextFile(new URL("docs/clients.md", root)))
    .filter(({ language, words }) => language === "ts" && words.includes("run"));
  assert(blocks.length >= 4);
  await using daemon = await startDaemon();
  await using home = await tempDir();
  for (const { text, line } of blocks) {
    await test.step(`docs/clients.md:${line}`, async () => {
      const file = `${home.path}/snippet-${line}.ts`;
      await Deno.writeTextFile(file, text.replaceAll(`"./src/`, `"${root.href}src/`));
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "-A", "--config", new URL("deno.json", root).pathname, file],
        cwd: home.path,
        env: { WEIR_URL: daemon.url, NO_COLOR: "1" },
        stdin: "null",
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
    });
  }
});
