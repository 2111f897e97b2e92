import { assert, assertEquals, assertRejects } from "@std/assert";
import { WeirError } from "../../../src/base/errors.ts";
import type { FaultPlace } from "../../../src/base/faults.ts";
import { FileRoot, type RealDirectory } from "../../../src/dialects/trace_files/file_root.ts";
import { FileWriter } from "../../../src/dialects/trace_files/file_writer.ts";
import { type TempDir, tempDir } from "../../support/temp.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** One that is written by calls that block the thread, and one that is not. */
const sizes = { brief: bytesOf("secret"), large: bytesOf("secret ".repeat(20_000)) };

interface Place extends AsyncDisposable {
  readonly root: FileRoot;
  readonly directory: RealDirectory;
  /** A folder beside the root. */
  readonly outside: string;
  writer(passed?: (place: FaultPlace) => void): FileWriter;
}

/** A root with one directory `d` in it. */
async function place(): Promise<Place> {
  const temp: TempDir = await tempDir();
  const root = await FileRoot.open(`${temp.path}/files`);
  await Deno.mkdir(`${temp.path}/outside`);
  const directory = (await root.enter(["d"], { make: true, isDurable: true }))!;
  return {
    root,
    directory,
    outside: `${temp.path}/outside`,
    writer: (passed) => new FileWriter(root, { isDurable: true, passed }),
    [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose](),
  };
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

for (const [size, bytes] of Object.entries(sizes)) {
  Deno.test(`FileWriter.write() leaves the old content whole, and nothing else, when it fails on the way: ${size}`, async () => {
    await using at = await place();
    const old = `${at.directory.path}/a`;
    await Deno.writeTextFile(old, "old");
    for (const failing of ["files.made", "files.written", "files.synced"]) {
      const writer = at.writer((passed) => {
        if (passed === failing) throw Object.assign(new Error(`${at.outside} is full`), { code: "ENOSPC" });
      });
      const error = await assertRejects(
        () => writer.write({ directory: at.directory, name: "a", bytes }),
        WeirError,
      );
      assertEquals([error.code, error.message], ["storage_full", "The disk is full"]);
      assertEquals([namesIn(at.directory.path), Deno.readTextFileSync(old)], [["a"], "old"]);
      assertEquals(writer.busyPaths, 0);
    }
  });

  Deno.test(`FileWriter.write() gives a file of any size its content: ${size}`, async () => {
    await using at = await place();
    await at.writer().write({ directory: at.directory, name: "a", bytes });
    assertEquals(Deno.readFileSync(`${at.directory.path}/a`), bytes);
    assertEquals(namesIn(at.directory.path), ["a"]);
  });
}

Deno.test("FileWriter.write() gives every reader one whole content, with 100 writers of one path", async () => {
  await using at = await place();
  const writer = at.writer();
  const contents = Array.from({ length: 100 }, (_, i) => `${i} `.repeat(5_000));
  const path = `${at.directory.path}/a`;
  let isDone = false;
  const seen = new Set<string>();
  const reading = (async () => {
    while (!isDone) seen.add(await Deno.readTextFile(path).catch(() => ""));
  })();
  await Promise.all(
    contents.map((text) => writer.write({ directory: at.directory, name: "a", bytes: bytesOf(text) })),
  );
  isDone = true;
  await reading;
  seen.delete("");
  assert([...seen].every((text) => contents.includes(text)));
  // Taking turns in the order in which they came, the last one wins.
  assertEquals(Deno.readTextFileSync(path), contents[99]);
  assertEquals([namesIn(at.directory.path), writer.busyPaths], [["a"], 0]);
});

const swaps: FaultPlace[] = ["files.made", "files.written", "files.synced"];
for (const when of swaps) {
  for (const [size, bytes] of Object.entries(sizes)) {
    Deno.test(`FileWriter.write() leads no content outside when its directory becomes a link: ${when}, ${size}`, async () => {
      await using at = await place();
      const { path } = at.directory;
      const writer = at.writer((passed) => {
        if (passed !== when) return;
        Deno.renameSync(path, `${path}-moved`);
        Deno.symlinkSync(at.outside, path);
      });
      const file = { directory: at.directory, name: "a", bytes };
      const error = await assertRejects(() => writer.write(file), WeirError);
      assertEquals(error.code, "invalid_directory");
      assertEquals(namesIn(at.outside), []);
      // What was made before the swap lies where nobody finds it but the next start.
      for (const name of namesIn(`${path}-moved`)) assert(name.startsWith(".weir-"), name);
    });
  }
}

Deno.test("FileWriter.write() writes nothing outside when the directory was a link before the file was made", async () => {
  await using at = await place();
  const { path } = at.directory;
  await Deno.rename(path, `${path}-moved`);
  await Deno.symlink(at.outside, path);
  const file = { directory: at.directory, name: "a", bytes: bytesOf("secret") };
  assertEquals((await assertRejects(() => at.writer().write(file), WeirError)).code, "invalid_directory");
  assertEquals(
    (await assertRejects(() => at.writer().sync(at.directory), WeirError)).code,
    "invalid_directory",
  );
  assertEquals([namesIn(at.outside), namesIn(`${path}-moved`)], [[], []]);
});

Deno.test("FileWriter.write() replaces a link that has the file's name, and follows none", async () => {
  await using at = await place();
  await Deno.writeTextFile(`${at.outside}/target`, "untouched");
  await Deno.symlink(`${at.outside}/target`, `${at.directory.path}/a`);
  await at.writer().write({ directory: at.directory, name: "a", bytes: bytesOf("new") });
  assertEquals(Deno.readTextFileSync(`${at.outside}/target`), "untouched");
  assertEquals((await Deno.lstat(`${at.directory.path}/a`)).isFile, true);
});

Deno.test("FileRoot.enter() follows links inside of the root and none that leads out", async () => {
  await using at = await place();
  const { root } = at;
  const enter = (name: string): Promise<RealDirectory | undefined> =>
    root.enter([name, "x"], { make: true, isDurable: false });
  await Deno.symlink("d", `${root.path}/inside`);
  assertEquals((await enter("inside"))?.relative, "d/x");
  const targets = { out: at.outside, up: "..", loop: "loop", dangling: `${at.outside}/gone`, file: "plain" };
  await Deno.writeTextFile(`${root.path}/plain`, "");
  for (const [name, target] of Object.entries(targets)) {
    await Deno.symlink(target, `${root.path}/${name}`);
    assertEquals(
      (await assertRejects(() => enter(name), WeirError)).code,
      "invalid_directory",
      name,
    );
  }
  assertEquals(namesIn(at.outside), []);
  assertEquals(await root.enter(["not-there"], { make: false }), undefined);
});

Deno.test("FileRoot finds nothing when it was itself replaced by a link", async () => {
  await using at = await place();
  await Deno.rename(at.root.path, `${at.root.path}-moved`);
  await Deno.symlink(at.outside, at.root.path);
  const error = await assertRejects(() => at.root.enter(["d"], { make: true, isDurable: false }), WeirError);
  assertEquals([error.code, namesIn(at.outside)], ["invalid_directory", []]);
});
