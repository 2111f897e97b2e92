import { assertEquals } from "@std/assert";
import { segmentPath } from "../../src/journal/segment.ts";
import { tempDir } from "../support/temp.ts";
import { openJournal, trackedFrame } from "./support.ts";

const page = await Deno.readTextFile(new URL("../../docs/journal.md", import.meta.url));

/** Writes the segment of the page's example as 1 in `dir`. */
async function writeExample(dir: string): Promise<void> {
  const { journal } = await openJournal(dir);
  await Promise.all([
    journal.append(trackedFrame('{"kind":"event"}\n')),
    journal.append(trackedFrame('{"a":1}\n{"b":"é"}\n')),
  ]);
  await journal.close();
}

/** The blocks of this language in the page. */
function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map((match) => match[1]);
}

Deno.test("a segment is, byte for byte, what docs/journal.md shows", async () => {
  await using dir = await tempDir();
  await writeExample(dir.path);
  const shown = blocks("text")[0].split("\n").flatMap((line) =>
    line.slice(10, 58).match(/[0-9a-f]{2}/g) ?? []
  );
  const bytes = await Deno.readFile(segmentPath(dir.path, 1));
  assertEquals([...bytes].map((byte) => byte.toString(16).padStart(2, "0")), shown);
});

Deno.test("the commands that docs/journal.md gives to read a segment by hand print what it says", async () => {
  await using dir = await tempDir();
  await writeExample(dir.path);
  const { stdout, stderr } = await new Deno.Command("sh", {
    args: ["-e", "-c", blocks("sh")[0]],
    cwd: dir.path,
  }).output();
  assertEquals(new TextDecoder().decode(stderr), "");
  assertEquals(new TextDecoder().decode(stdout), blocks("text")[2]);
});
