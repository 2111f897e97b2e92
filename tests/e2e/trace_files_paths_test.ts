/**
 * Hostile names and directories on a started daemon: nothing outside of the root is made, changed or listed, and no
 * reply shows where the root is.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { links, marker, pathAttacks } from "../dialects/trace_files/path_attacks.ts";
import { startDaemon } from "../support/daemon.ts";
import { tempDir } from "../support/temp.ts";
import { type Answer, list, snapshot, writeBatch, writeOne } from "./trace_file_requests.ts";

/** Places that attacks name and that lie outside of what the test owns. */
const elsewhere = ["/tmp", "/dev/shm", "/", "/etc", Deno.cwd(), "/root"];

/** Names in those places that an attack could have left. */
function strangers(): string[] {
  return elsewhere.flatMap((folder) => {
    try {
      return [...Deno.readDirSync(folder)].filter(({ name }) => name.includes(marker)).map(({ name }) =>
        `${folder}/${name}`
      );
    } catch {
      // Not every machine has every one of them.
      return [];
    }
  });
}

Deno.test("the list of path attacks has at least 200 different ones", () => {
  assert(pathAttacks().length >= 200, String(pathAttacks().length));
});

Deno.test("no name and no directory leads out of the root, and no reply shows where it is", async () => {
  await using sandbox = await tempDir();
  const dataDir = `${sandbox.path}/data`;
  const root = `${dataDir}/files`;
  for (const folder of ["files", "files2"]) await Deno.mkdir(`${dataDir}/${folder}`, { recursive: true });
  await Deno.mkdir(`${sandbox.path}/outside`);
  for (const file of ["outside/canary", "outside/canary.json", "data/files2/canary.json"]) {
    await Deno.writeTextFile(`${sandbox.path}/${file}`, "untouched");
  }
  await using daemon = await startDaemon({ dataDir });
  for (const [name, target] of links) {
    await Deno.symlink(target.replace("OUTSIDE", `${sandbox.path}/outside`), `${root}/${name}`);
  }
  const inRoot = (path: string): boolean => path === root;
  const own = (line: string): boolean => !/\/data\/(?:journal|catalog|lock|salts)/.test(line);
  const outside = async (): Promise<string[]> => (await snapshot(sandbox.path, inRoot)).filter(own);
  const before = await outside();

  const replies: [string, Answer][] = [];
  for (const attack of pathAttacks()) {
    const traceData = `content ${marker}`;
    replies.push([attack, await writeOne(daemon, { traceData, fileName: attack })]);
    replies.push([
      attack,
      await writeOne(daemon, { traceData, fileName: `${marker}.json`, outputDirectory: attack }),
    ]);
    replies.push([
      attack,
      await writeBatch(daemon, {
        files: [
          { traceData, fileName: attack, outputDirectory: "./batch" },
          { traceData, fileName: "batch.json", outputDirectory: attack },
        ],
      }),
    ]);
    replies.push([
      attack,
      await writeBatch(daemon, { traces: [{ traceData, fileName: "b2.json" }], outputDirectory: attack }),
    ]);
    replies.push([attack, await list(daemon, attack)]);
  }
  assertEquals(await outside(), before);
  assertEquals(strangers(), []);
  const realSandbox = await Deno.realPath(sandbox.path);
  for (const [attack, { status, text, json }] of replies) {
    assert([200, 400, 403, 409, 500].includes(status), `${JSON.stringify(attack)}: ${status} ${text}`);
    if (status === 500) assert(json.code === "write_failed", text);
    assert(!text.includes(sandbox.path) && !text.includes(realSandbox), `${JSON.stringify(attack)}: ${text}`);
    // Nor anything that is to be seen only outside.
    assert(!text.includes("canary") && !text.includes("hostname"), `${JSON.stringify(attack)}: ${text}`);
    for (const { filePath } of json.results ?? []) {
      assert(filePath === undefined || !/^\/|(?:^|\/)\.\.(?:\/|$)/.test(filePath), filePath);
    }
  }
  // What was written is inside, and was told so.
  const inside = (await snapshot(root)).filter((line) => line.startsWith("f "));
  assert(inside.length > 20 && inside.every((line) => line.endsWith(`content ${marker}`)));
  assert(!JSON.stringify(daemon.logs().map(({ error }) => error)).includes(sandbox.path));
});

Deno.test("links that are swapped while files are written lead no content outside", async () => {
  await using sandbox = await tempDir();
  await Deno.mkdir(`${sandbox.path}/outside`);
  await using daemon = await startDaemon({ dataDir: `${sandbox.path}/data` });
  const root = `${daemon.dataDir}/files`;
  await Deno.mkdir(`${root}/inside`);
  await Deno.symlink(`${sandbox.path}/outside`, `${root}/evil`);
  await Deno.mkdir(`${root}/swapped`);
  // Somebody with a hand on the disk: `swapped` is a directory, then a link to the outside, and so on.
  const swapper = new Deno.Command("sh", {
    args: [
      "-c",
      `while :; do mv -T "$0/swapped" "$0/real" && mv -T "$0/evil" "$0/swapped"; mv -T "$0/swapped" "$0/evil" && mv -T "$0/real" "$0/swapped"; done 2>/dev/null`,
      root,
    ],
    stdin: "null",
    stderr: "null",
  }).spawn();
  const outcomes = new Map<string, number>();
  try {
    // At least 60 rounds, and until a swap was met.
    for (let round = 0; round < 60 || (round < 2_000 && outcomes.size < 2); round++) {
      const files = Array.from({ length: 8 }, (_, i) => ({
        traceData: "secret content",
        fileName: `${round}-${i}`,
        outputDirectory: `swapped${i % 2 === 0 ? "" : `/deeper-${round % 3}`}`,
      }));
      const { json } = await writeBatch(daemon, { files });
      for (const { code = "written" } of json.results) outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
      await list(daemon, "swapped");
    }
  } finally {
    swapper.kill("SIGKILL");
    await swapper.status;
  }
  const left = (await snapshot(`${sandbox.path}/outside`)).map((line) =>
    line.slice(0, 1) + " " + line.split("/").at(-1)
  );
  assertEquals(left, [], JSON.stringify([...outcomes]));
  assert((outcomes.get("written") ?? 0) > 0 && outcomes.size > 1, JSON.stringify([...outcomes]));
});

Deno.test("a root that a link leads to where the daemon keeps its own files is refused at start", async () => {
  await using sandbox = await tempDir();
  const dataDir = `${sandbox.path}/data`;
  await Deno.mkdir(`${dataDir}/journal`, { recursive: true });
  await Deno.symlink("journal", `${dataDir}/files`);
  await using daemon = await startDaemon({ dataDir, until: "spawned" });
  assertEquals(await daemon.exit(), 1);
  const line = await daemon.waitForLog(({ message }) => message === "Cannot start").catch(() =>
    daemon.logs().at(-1)!
  );
  assert(
    String(line.error).includes("trace_files.root") && !String(line.error).includes(dataDir),
    String(line.error),
  );
});
