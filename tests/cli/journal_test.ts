import { assert, assertEquals, assertMatch } from "@std/assert";
import type { CliIo } from "../../src/cli/io.ts";
import { journalVerb } from "../../src/cli/journal.ts";
import { magic } from "../../src/journal/segment.ts";
import { line, sealed } from "../journal/support.ts";
import { tempDir } from "../support/temp.ts";

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  let stdout = "", stderr = "";
  const io: CliIo = {
    stdout: (text) => void (stdout += text),
    stderr: (text) => void (stderr += text),
    env: {},
    isTty: false,
  };
  return { code: await journalVerb(args, io), stdout, stderr };
}

async function segmentIn(dir: string, ...parts: Uint8Array[]): Promise<string> {
  const path = `${dir}/0000000000000001.wal`;
  await Deno.writeFile(path, new Uint8Array(parts.flatMap((part) => [...part])));
  return path;
}

Deno.test("journalVerb() prints the record lines of a segment", async () => {
  await using dir = await tempDir();
  const path = await segmentIn(dir.path, magic, sealed(line(1) + line(2)), sealed('{"é":"ü"}\n'));
  assertEquals(await run(path), { code: 0, stdout: line(1) + line(2) + '{"é":"ü"}\n', stderr: "" });
});

Deno.test("journalVerb() --frames prints what docs/journal.md shows for its example", async () => {
  await using dir = await tempDir();
  const path = await segmentIn(
    dir.path,
    magic,
    sealed('{"kind":"event"}\n'),
    sealed('{"a":1}\n{"b":"é"}\n'),
  );
  const { code, stdout } = await run("--frames", path);
  const page = await Deno.readTextFile(new URL("../../docs/journal.md", import.meta.url));
  assertEquals(code, 0);
  assert(page.includes("```text\n" + stdout + "```\n"), stdout);
});

Deno.test("journalVerb() tells damage, reads on behind it, and exits with 1", async () => {
  await using dir = await tempDir();
  const damaged = sealed(line(2));
  damaged[10] ^= 1;
  const path = await segmentIn(dir.path, magic, sealed(line(1)), damaged, sealed(line(3)));
  const { code, stdout, stderr } = await run(path);
  assertEquals([code, stdout], [1, line(1) + line(3)]);
  assertMatch(stderr, /: damaged at 31: .*: 16 bytes skipped, read on at 47\n$/);
});

Deno.test("journalVerb() tells a torn end", async () => {
  await using dir = await tempDir();
  const path = await segmentIn(dir.path, magic, sealed(line(1)), sealed(line(2)).subarray(0, 9));
  const { code, stdout, stderr } = await run(path);
  assertEquals([code, stdout], [1, line(1)]);
  assertMatch(stderr, /: torn at 31: .*: 9 bytes skipped, nothing whole behind it\n$/);
});

Deno.test("journalVerb() ends quietly when nobody reads its output any longer", async () => {
  await using dir = await tempDir();
  const path = await segmentIn(dir.path, magic, sealed(line(1)), sealed(line(2)));
  let written = 0;
  let stderr = "";
  const io: CliIo = {
    stdout: () => {
      if (++written > 1) throw new Deno.errors.BrokenPipe("Broken pipe");
    },
    stderr: (text) => void (stderr += text),
    env: {},
    isTty: false,
  };
  assertEquals([await journalVerb([path], io), written, stderr], [0, 2, ""]);
});

Deno.test("journalVerb() refuses a wrong command line and a file that is not there", async () => {
  await using dir = await tempDir();
  for (const args of [[], ["a", "b"], ["--frame", "a"]]) {
    const { code, stderr } = await run(...args);
    assertEquals(code, 64);
    assertMatch(stderr, /^weir: /);
  }
  const missing = `${dir.path}/missing.wal`;
  assertEquals(await run(missing), {
    code: 66,
    stdout: "",
    stderr: `weir: Cannot read ${missing}: ENOENT\n`,
  });
  assertEquals((await run("--help")).code, 0);
});
