/**
 * TraceWriter against a started daemon, under Deno, Node and Bun: what it says is what lies on the disk.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  type TraceFile,
  type TraceResult,
  type TraceStatistics,
  TraceWriter,
} from "../../src/client/trace_writer.ts";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { installNpm } from "../support/npm_client.ts";
import { filesBelow } from "../support/parts.ts";
import { tempDir } from "../support/temp.ts";
import { read } from "./trace_file_requests.ts";

const source = new URL("../../src/client/trace_writer.ts", import.meta.url).pathname;

/** Each result against the disk. */
async function assertTrue(
  daemon: Daemon,
  files: readonly TraceFile[],
  results: readonly TraceResult[],
): Promise<void> {
  assertEquals(results.length, files.length);
  for (const [i, { state, path, bytes }] of results.entries()) {
    const { traceData } = files[i];
    const text = typeof traceData === "string" ? traceData : JSON.stringify(traceData, undefined, 2);
    if (state !== "written") continue;
    assertEquals(await read(daemon, path!), text);
    assertEquals(bytes, new TextEncoder().encode(text).length);
  }
  const there = await filesBelow(`${daemon.dataDir}/files`, ".");
  assertEquals(there, results.flatMap(({ path }) => path === undefined ? [] : [`./${path}`]).sort());
}

const files: TraceFile[] = [
  { fileName: "a.json", traceData: { é: ["😀", 1, null] } },
  { fileName: "a.txt", traceData: "text é😀\r\n" },
  { fileName: "../up.txt", traceData: "no" },
  { fileName: "empty.txt", traceData: "" },
  { fileName: "deep.txt", traceData: "x", outputDirectory: "./actions/deep" },
  { fileName: "out.txt", traceData: "x", outputDirectory: "../../out" },
  { fileName: "half.txt", traceData: "a\ud800" },
  { fileName: "late.txt", traceData: "late" },
];
const expected = [
  "written",
  "written",
  "invalid_file_name",
  "written",
  "written",
  "invalid_directory",
  "ill_formed_text",
  "written",
];

Deno.test("TraceWriter tells of every file what the daemon did, and asks no second time for what is final", async () => {
  await using daemon = await startDaemon();
  const writer = new TraceWriter({ url: daemon.url, outputDirectory: "./traces" });
  const results = await writer.write(files);
  assertEquals(results.map(({ state, error }) => error?.code ?? state), expected);
  await assertTrue(daemon, files, results);
  const { requests, batchRequests, retries, fallbacks, written, failed } = writer.statistics;
  assertEquals([requests, batchRequests, retries, fallbacks, written, failed], [1, 1, 0, 0, 5, 3]);
});

Deno.test("TraceWriter writes 60 files to a daemon that takes 5 in a batch: one by one where it must", async () => {
  await using daemon = await startDaemon({ config: { trace_files: { max_batch_size: 5 } } });
  const many = Array.from({ length: 60 }, (_, i) => ({ fileName: `${i}.txt`, traceData: `content ${i}` }));
  const results = await new TraceWriter({ url: daemon.url, gzip: true }).write(many);
  assertEquals(results.every(({ state }) => state === "written"), true);
  await assertTrue(daemon, many, results);
});

Deno.test("TraceWriter gets its files through a restart of the daemon in between, and tells the truth of each", async () => {
  await using daemon = await startDaemon();
  const port = Number(new URL(daemon.url).port);
  const writer = new TraceWriter({ url: daemon.url, maxBatchSize: 2, firstDelayMs: 300 });
  const many = Array.from(
    { length: 40 },
    (_, i) => ({ fileName: `${i}.txt`, traceData: `${i}`.repeat(50_000) }),
  );
  const writing = writer.write(many);
  while (writer.statistics.requests < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  await daemon.restart({ port });
  const results = await writing;
  for (const [i, { state }] of results.entries()) {
    const text = await read(daemon, `traces/${i}.txt`);
    if (state === "written") assertEquals(text, many[i].traceData);
    else assert(text === undefined || text === many[i].traceData);
  }
  const again = await writer.write(many.filter((_, i) => results[i].state !== "written"));
  assert(again.every(({ state }) => state === "written"));
});

/** Bun comes from npm; on systems that this package is not made for, or without a registry, it is left out. */
async function findBun(): Promise<string | undefined> {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return undefined;
  try {
    const folder = await installNpm(["@oven/bun-linux-x64@1.4.5"]);
    return `${folder}/node_modules/@oven/bun-linux-x64/bin/bun`;
  } catch {
    return undefined;
  }
}

const bun = await findBun();

for (const [name, runtime] of [["Node", "node"], ["Bun", bun]] as const) {
  Deno.test({
    name: `TraceWriter does the same under ${name}, with a server that is late, and lets the program end`,
    ignore: runtime === undefined,
    fn: () => writeFrom(runtime!),
  });
}

/** Runs a program with a writer in it under another runtime, and starts its server late. */
async function writeFrom(runtime: string): Promise<void> {
  await using temp = await tempDir();
  await bundle(`${temp.path}/trace_writer.mjs`);
  await Deno.writeTextFile(
    `${temp.path}/program.mjs`,
    `import { TraceWriter } from "./trace_writer.mjs";
      const writer = new TraceWriter({ url: process.argv[2], outputDirectory: "./traces", gzip: true, firstDelayMs: 50, retries: 1_000, jitter: 0 });
      const results = await writer.write(JSON.parse(process.argv[3]));
      console.log(JSON.stringify({ results, statistics: writer.statistics }));`,
  );
  await using daemon = await startDaemon();
  const port = Number(new URL(daemon.url).port);
  await daemon.kill9();
  const child = new Deno.Command(runtime, {
    args: [`${temp.path}/program.mjs`, `http://127.0.0.1:${port}`, JSON.stringify(files)],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    signal: AbortSignal.timeout(60_000),
  }).spawn();
  const output = child.output();
  await daemon.restart({ port });
  const { code, stdout } = await output;
  assertEquals(code, 0);
  const { results, statistics } = JSON.parse(new TextDecoder().decode(stdout)) as {
    results: TraceResult[];
    statistics: TraceStatistics;
  };
  assertEquals(results.map(({ state, error }) => error?.code ?? state), expected);
  await assertTrue(daemon, files, results);
  assert(statistics.retries > 0);
}

/** The client as one file of plain JavaScript. */
async function bundle(path: string): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "browser", "--output", path, source],
    stdin: "null",
    stderr: "inherit",
  });
  assert((await command.output()).success);
}
