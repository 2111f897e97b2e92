/**
 * Trace files when the daemon is killed, the disk is full or cannot be written, and many write the same file: the old
 * content or the new one, whole; replies that are true; no litter after a restart.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { filesBelow } from "../support/parts.ts";
import { smallDisk } from "../support/temp.ts";
import { list, read, writeBatch, writeOne } from "../e2e/trace_file_requests.ts";
import { readiness, until } from "./health.ts";

const miB = 1024 * 1024;
const oldText = "old\n".repeat(2 * miB);
const newText = "new\n".repeat(2 * miB);

/** May this user mount a file system of its own? */
const canMount = await smallDisk(miB).then(async (disk) => {
  await disk?.[Symbol.asyncDispose]();
  return disk !== undefined;
});
const needsMount = { ignore: !canMount };

async function assertWholeAndClean(daemon: Daemon, allowed: readonly string[]): Promise<void> {
  const text = await read(daemon, "traces/big.txt");
  assert(allowed.includes(text!), `neither whole: ${text?.length} characters`);
  assertEquals(await filesBelow(`${daemon.dataDir}/files`, "."), ["./traces/big.txt"]);
}

const places = [
  ["files.made", [oldText]],
  ["files.written", [oldText]],
  ["files.synced", [oldText]],
  ["files.renamed", [newText]],
] as const;
for (const [place, allowed] of places) {
  Deno.test(`kill -9 at ${place} of an 8 MiB write: one whole content, no litter after the restart`, async () => {
    await using daemon = await startDaemon({ env: { WEIR_FAULTS: `${place}:pause:2` } });
    assertEquals((await writeOne(daemon, { traceData: oldText, fileName: "big.txt" })).status, 200);
    const writing = writeOne(daemon, { traceData: newText, fileName: "big.txt" }).catch(() => "cut");
    await daemon.waitForLog(`fault point reached: ${place}`);
    await daemon.kill9();
    assertEquals(await writing, "cut");
    await daemon.restart({});
    await assertWholeAndClean(daemon, allowed);
    const removed = daemon.logs().filter(({ message }) =>
      message.startsWith("Trace files that were not finished")
    );
    assertEquals(removed.length, place === "files.renamed" ? 0 : 1);
  });
}

Deno.test("kill -9 in the middle of 8 MiB writes, whenever: one whole content, no litter after the restart", async () => {
  await using daemon = await startDaemon();
  await writeOne(daemon, { traceData: oldText, fileName: "big.txt" });
  for (let trial = 0; trial < 3; trial++) {
    const answers: number[] = [];
    const writing = [newText, oldText, newText].map((traceData) =>
      writeOne(daemon, { traceData, fileName: "big.txt" }).then(
        ({ status }) => answers.push(status),
        () => undefined,
      )
    );
    // Killed as soon as something of the write is to be seen.
    await until(async () =>
      answers.length > 0 ||
      (await filesBelow(`${daemon.dataDir}/files`, ".")).some((path) => path.includes(".weir-"))
    );
    await daemon.kill9();
    await Promise.all(writing);
    await daemon.restart({});
    await assertWholeAndClean(daemon, [oldText, newText]);
  }
});

Deno.test({
  ...needsMount,
  name: "a disk that is full at item 2 of 3 costs that item alone, and keeps what it would have replaced",
  async fn(): Promise<void> {
    await using disk = (await smallDisk(4 * miB))!;
    const config = { trace_files: { root: `${disk.path}/files` } };
    await using daemon = await startDaemon({ config });
    const first = await writeBatch(daemon, { traces: [{ traceData: "previous", fileName: "2" }] });
    assertEquals(first.json.successCount, 1);
    const traces = ["one", "x".repeat(6 * miB), "three"].map((traceData, i) => ({
      traceData,
      fileName: `${i + 1}`,
    }));
    const { status, json } = await writeBatch(daemon, { traces });
    assertEquals([status, json.success, json.partial], [200, true, true]);
    assertEquals(json.results.map(({ code, size }) => code ?? size), [3, "storage_full", 5]);
    const texts = ["1", "2", "3"].map((name) => Deno.readTextFileSync(`${disk.path}/files/traces/${name}`));
    assertEquals(texts, ["one", "previous", "three"]);
    assertEquals((await filesBelow(disk.path, "files")).length, 3);
    const one = await writeOne(daemon, traces[1]);
    assertEquals([one.status, one.json.code, one.headers.has("retry-after")], [503, "storage_full", true]);
    const line = await daemon.waitForLog("Trace files could not be written");
    assertEquals([line.count, line.code], [1, "storage_full"]);
    assert(!JSON.stringify(daemon.logs()).includes(disk.path));
    // It has cost nothing but that file: the journal lies elsewhere.
    assertEquals((await readiness(daemon)).status, 200);
  },
});

Deno.test({
  ...needsMount,
  name: "a directory that cannot be written to fails its files, in true words, and can still be listed",
  async fn(): Promise<void> {
    await using disk = (await smallDisk(4 * miB))!;
    const config = { trace_files: { root: `${disk.path}/files` } };
    await using daemon = await startDaemon({ config });
    await writeOne(daemon, { traceData: "previous", fileName: "a.txt" });
    await remount(disk.path, "ro");
    const traces = ["a.txt", "b.txt"].map((fileName) => ({ traceData: "new", fileName }));
    for (const outputDirectory of ["traces", "fresh"]) {
      const { status, json, text } = await writeBatch(daemon, { traces, outputDirectory });
      assertEquals([status, json.success, json.successCount, json.failureCount], [200, false, 0, 2], text);
      assertEquals(json.results.map(({ code }) => code), ["write_failed", "write_failed"]);
      assert(text.includes("EROFS") && !text.includes(disk.path), text);
    }
    const one = await writeOne(daemon, traces[0]);
    assertEquals([one.status, one.json.code, one.json.error], [
      500,
      "write_failed",
      "Failed to write trace file: EROFS",
    ]);
    assertEquals((await list(daemon)).json.files.map(({ name }) => name), ["a.txt"]);
    await remount(disk.path, "rw");
    assertEquals((await writeBatch(daemon, { traces })).json.successCount, 2);
    assertEquals(await filesBelow(disk.path, "files"), ["files/traces/a.txt", "files/traces/b.txt"]);
  },
});

Deno.test("100 writers of one name at once: each is told the truth, the file is one of theirs, whole", async () => {
  await using daemon = await startDaemon();
  const contents = Array.from({ length: 100 }, (_, i) => `${i}-`.repeat(2_000 + i));
  const replies = await Promise.all(
    contents.map((traceData, i) =>
      i % 2 === 0 ? writeOne(daemon, { traceData, fileName: "same" }) : writeBatch(daemon, {
        traces: [{ traceData, fileName: "same" }, { traceData, fileName: `other-${i}` }],
      })
    ),
  );
  for (const [i, { status, json }] of replies.entries()) {
    assertEquals([status, json.success, json.failureCount ?? 0], [200, true, 0]);
    if (i % 2 === 1) assertEquals(await read(daemon, `traces/other-${i}`), contents[i]);
  }
  assert(contents.includes((await read(daemon, "traces/same"))!));
  assertEquals((await filesBelow(`${daemon.dataDir}/files`, ".")).length, 51);
});

Deno.test("a stop lets writes in flight end, and what they were told is there", async () => {
  await using daemon = await startDaemon();
  const writing = Array.from(
    { length: 20 },
    (_, i) => writeOne(daemon, { traceData: newText, fileName: `${i}` }).catch(() => undefined),
  );
  await Promise.race(writing);
  assertEquals(await daemon.stop(), 0);
  for (const [i, reply] of (await Promise.all(writing)).entries()) {
    const text = await read(daemon, `traces/${i}`);
    if (reply?.status === 200) assertEquals(text, newText);
    else if (reply !== undefined) assertEquals(text, undefined);
    else assert(text === undefined || text === newText);
  }
});

async function remount(path: string, mode: "ro" | "rw"): Promise<void> {
  const command = new Deno.Command("mount", { args: ["-o", `remount,${mode}`, path], stdin: "null" });
  assert((await command.output()).success);
}
