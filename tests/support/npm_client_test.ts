import { assertEquals, assertRejects } from "@std/assert";
import { installNpm, runNode } from "./npm_client.ts";
import { tempDir } from "./temp.ts";

Deno.test("installNpm() refuses a version that is not exact", async () => {
  for (const name of ["isbot", "isbot@latest", "isbot@^5.1.0", "@scope/name"]) {
    await assertRejects(() => installNpm([name]), Error, "the version must be exact");
  }
});

Deno.test("runNode() returns what a script printed and its exit code", async () => {
  await using folder = await tempDir();
  const run = await runNode("console.log(process.versions.node !== undefined); process.exit(3)", {
    packages: folder.path,
  });
  assertEquals(run, { code: 3, stdout: "true\n", stderr: "" });
});
