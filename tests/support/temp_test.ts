import { assert, assertEquals, assertRejects } from "@std/assert";
import { smallDisk, tempDir } from "./temp.ts";

Deno.test("tempDir() is empty, and gone afterwards", async () => {
  let path: string;
  {
    await using folder = await tempDir();
    path = folder.path;
    await Deno.writeTextFile(`${path}/file`, "text");
  }
  await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("smallDisk() is full after its size, and gone afterwards", async () => {
  let path: string;
  {
    await using disk = await smallDisk(256 * 1024);
    // Only root may mount; elsewhere there is nothing to look at.
    if (!disk) return;
    path = disk.path;
    await Deno.writeFile(`${path}/fits`, new Uint8Array(128 * 1024));
    const error = await assertRejects(() => Deno.writeFile(`${path}/large`, new Uint8Array(512 * 1024)));
    assertEquals((error as Error & { code: string }).code, "ENOSPC");
    assert((await Deno.stat(`${path}/fits`)).size === 128 * 1024);
  }
  await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
});
