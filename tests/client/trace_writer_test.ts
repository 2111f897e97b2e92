import { assert, assertEquals } from "@std/assert";
import { type TraceFile, TraceWriter, type TraceWriterOptions } from "../../src/client/trace_writer.ts";
import { cuttingServer, hang } from "./scripted_server.ts";
import { SkippingClock } from "./skipping_clock.ts";
import { assertTrue, type TraceServer, traceServer, type Ways } from "./trace_server.ts";

function filesNamed(...names: string[]): TraceFile[] {
  return names.map((fileName, i) => ({
    fileName,
    traceData: i % 2 === 0 ? `text ${i} é😀` : { i, list: [i] },
  }));
}

function writerFor(
  url: string,
  options: TraceWriterOptions = {},
): { writer: TraceWriter; clock: SkippingClock } {
  const clock = new SkippingClock();
  return { writer: new TraceWriter({ url, clock, random: () => 0.5, ...options }), clock };
}

/** Routes that were asked, in order: b for a batch, s for a single write. */
function asked({ received }: TraceServer): string {
  return received.map(({ path }) => path.endsWith("batch") ? "b" : "s").join("");
}

Deno.test("TraceWriter.write() writes one file by itself and several in one request", async () => {
  await using server = traceServer();
  const { writer } = writerFor(server.url);
  const one = filesNamed("one.txt");
  const three = filesNamed("a.txt", "b.json", "c.txt");
  assertTrue(one, await writer.write(one[0]), server.truth);
  const results = await writer.write(three);
  assertTrue(three, results, server.truth);
  assertEquals(asked(server), "sb");
  assertEquals(results.map(({ state, isBatched, path }) => [state, isBatched, path]), [
    ["written", true, "./traces/a.txt"],
    ["written", true, "./traces/b.json"],
    ["written", true, "./traces/c.txt"],
  ]);
  const { files, written, requests, batchRequests, retries, fallbacks, sentBytes, receivedBytes } =
    writer.statistics;
  assertEquals([files, written, requests, batchRequests, retries, fallbacks], [4, 4, 2, 1, 0, 0]);
  assertEquals(sentBytes, server.received.reduce((sum, { body }) => sum + body.length, 0));
  assert(receivedBytes > 0);
});

Deno.test("TraceWriter.write() sends batches of at most maxBatchSize, in order", async () => {
  await using server = traceServer();
  const files = filesNamed(...Array.from({ length: 23 }, (_, i) => `${i}.txt`));
  const { writer } = writerFor(server.url);
  assertTrue(files, await writer.write(files), server.truth);
  assertEquals(asked(server), "bbb");
  const sizes = server.received.map(({ body }) => JSON.parse(new TextDecoder().decode(body)).traces.length);
  assertEquals(sizes, [10, 10, 3]);
  const large = writerFor(server.url, { maxBatchSize: 100, maxBatchBytes: 1_000 });
  assertTrue(files, await large.writer.write(files), server.truth);
  assert(large.writer.statistics.batchRequests > 1);
});

Deno.test("TraceWriter.write() uses the shape with one directory where it can, else that with one for each", async () => {
  await using server = traceServer();
  const { writer } = writerFor(server.url, { outputDirectory: "./here" });
  await writer.write(filesNamed("a", "b"));
  const mixed = filesNamed("a", "b").map((file, i) => ({ ...file, outputDirectory: `./d${i}` }));
  assertTrue(mixed, await writer.write(mixed), server.truth);
  const [first, second] = server.received.map(({ body }) => JSON.parse(new TextDecoder().decode(body)));
  assertEquals([Object.keys(first), first.outputDirectory], [["traces", "outputDirectory"], "./here"]);
  assertEquals([Object.keys(second), second.files[1].outputDirectory], [["files"], "./d1"]);
});

Deno.test("TraceWriter.write() writes every file by itself where batches are turned off", async () => {
  await using server = traceServer();
  const files = filesNamed("a", "b", "c");
  const { writer } = writerFor(server.url, { useBatchEndpoint: false });
  assertTrue(files, await writer.write(files), server.truth);
  assertEquals(asked(server), "sss");
});

for (const status of [404, 405, 501]) {
  Deno.test(`TraceWriter gives up batches for its life when the batch route answers ${status}`, async () => {
    await using server = traceServer((ways) => ways.isBatch ? new Response("", { status }) : ways.write());
    const { writer, clock } = writerFor(server.url);
    const files = filesNamed("a", "b", "c");
    const results = await writer.write(files);
    assertTrue(files, results, server.truth);
    assertEquals(results.every(({ state }) => state === "written"), true);
    await writer.write(files);
    assertEquals([asked(server), writer.usesBatches, clock.waits], ["bssssss", false, []]);
    assertEquals(writer.statistics.fallbacks, 3);
  });
}

/** What may come of it: states of the three files, and the requests that were made. */
interface Trouble {
  readonly what: string;
  readonly script: (ways: Ways) => Response | Promise<Response>;
  readonly states: string[];
  readonly asked: string;
  readonly options?: TraceWriterOptions;
}

const all = ["written", "written", "written"];
const failed = ["failed", "failed", "failed"];
const unknown = ["unknown", "unknown", "unknown"];
const html = (): Response =>
  new Response("<!doctype html><p>Welcome", { headers: { "content-type": "text/html" } });
const down = (status: number): Response => new Response("", { status });
const partial = (ways: Ways): Response => ways.write((name) => ways.isBatch ? name !== "b" : true);

const troubles: Trouble[] = [
  {
    what: "that answers 500 twice",
    script: ({ index, write }) => index < 2 ? down(500) : write(),
    states: all,
    asked: "bbb",
  },
  {
    what: "whose batches stay at 503",
    script: ({ isBatch, write }) => isBatch ? down(503) : write(),
    states: all,
    asked: "bbbsss",
  },
  {
    what: "that only ever answers 500",
    script: () => down(500),
    states: unknown,
    asked: "bbb" + "sss".repeat(3),
  },
  { what: "that writes a part of a batch", script: partial, states: all, asked: "bs" },
  {
    what: "that writes a part, and may not be asked again",
    script: partial,
    states: ["written", "failed", "written"],
    asked: "b",
    options: { fallbackToIndividual: false },
  },
  {
    what: "that never takes one of the files",
    script: ({ write }) => write((name) => name !== "b"),
    states: ["written", "failed", "written"],
    asked: "bsss",
  },
  {
    what: "that says success, and nothing of the files",
    script: (ways) => ways.isBatch ? Response.json({ success: true, successCount: 3 }) : ways.write(),
    states: all,
    asked: "bsss",
  },
  {
    what: "that leaves a file out of its results",
    script: ({ isBatch, write, request }) => {
      if (!isBatch) return write();
      const { traces } = JSON.parse(new TextDecoder().decode(request.body));
      write((name) => name !== "c");
      return Response.json({
        success: true,
        results: traces.slice(0, 2).map(({ fileName }: TraceFile, index: number) => ({
          index,
          fileName,
          success: true,
        })),
      });
    },
    states: all,
    asked: "bs",
  },
  {
    what: "that contradicts itself about a file",
    script: (ways) => {
      if (!ways.isBatch) return ways.write();
      ways.write((name) => name !== "a");
      const [yes, no] = [true, false].map((success) => ({ index: 0, success }));
      return Response.json({
        success: true,
        results: [yes, no, yes, { index: 1, success: true }, { index: 2, success: true }],
      });
    },
    states: all,
    asked: "bs",
  },
  { what: "that answers with a page", script: html, states: unknown, asked: "bsss" },
  {
    what: "whose batch route answers with a page",
    script: (ways) => ways.isBatch ? html() : ways.write(),
    states: all,
    asked: "bsss",
  },
  {
    what: "that wrote, and answers with a page",
    script: ({ write }) => {
      write();
      return html();
    },
    states: unknown,
    asked: "bsss",
  },
  {
    what: "that redirects",
    script: () => new Response("", { status: 302, headers: { location: "/login" } }),
    states: failed,
    asked: "bsss",
  },
  {
    what: "that refuses the shape of batches",
    script: (ways) =>
      ways.isBatch ? Response.json({ success: false, error: "No" }, { status: 400 }) : ways.write(),
    states: all,
    asked: "bsss",
  },
  {
    what: "for which batches are too large",
    script: (ways) => ways.isBatch ? down(413) : ways.write(),
    states: all,
    asked: "bsss",
  },
  { what: "that knows us not", script: () => down(401), states: failed, asked: "b" },
  {
    what: "without the route, and no fallback",
    script: () => down(404),
    states: failed,
    asked: "b",
    options: { fallbackToIndividual: false },
  },
  {
    what: "that says in JSON that it could not write",
    script: () => Response.json({ success: false, error: "Disk", code: "storage_full" }, { status: 503 }),
    states: failed,
    asked: "bbb" + "sss".repeat(3),
  },
  {
    what: "whose success is not true",
    script: ({ isBatch }) =>
      isBatch
        ? Response.json({ success: true, results: [0, 1, 2].map((index) => ({ index, success: "true" })) })
        : Response.json({ success: 1 }),
    states: unknown,
    asked: "bsss",
  },
];

for (const { what, script, states, asked: expected, options } of troubles) {
  Deno.test(`TraceWriter.write() tells the truth of a server ${what}`, async () => {
    await using server = traceServer(script);
    const { writer } = writerFor(server.url, options);
    const files = filesNamed("a", "b", "c");
    const results = await writer.write(files);
    assertEquals(results.map(({ state }) => state), states);
    assertTrue(files, results, server.truth);
    assertEquals(asked(server), expected);
  });
}

Deno.test("TraceWriter.write() writes files one by one when batches hang beyond batchTimeout", async () => {
  const clock = new SkippingClock();
  const hanging = hang(clock);
  await using server = traceServer((ways) => ways.isBatch ? hanging.script() : ways.write());
  const writer = new TraceWriter({ url: server.url, clock, batchTimeout: 50 });
  const files = filesNamed("a", "b");
  const results = await writer.write(files);
  hanging.release();
  assertTrue(files, results, server.truth);
  assertEquals([asked(server), results.map(({ state }) => state)], ["bbbss", ["written", "written"]]);
});

Deno.test("TraceWriter.write() says unknown of a file that was written when nobody could say so any more", async () => {
  const clock = new SkippingClock();
  const hanging = hang(clock);
  await using server = traceServer(({ write, isBatch }) => {
    if (isBatch) write((name) => name === "a");
    return hanging.script();
  });
  const writer = new TraceWriter({ url: server.url, clock });
  const files = filesNamed("a", "b", "c");
  const results = await writer.write(files);
  hanging.release();
  assertEquals(results.map(({ state, error }) => [state, error?.code]), [
    ["unknown", "timeout"],
    ["unknown", "timeout"],
    ["unknown", "timeout"],
  ]);
  // Nobody answers: the files behind the first one are not tried by themselves.
  assertEquals(asked(server), "bbbsss");
});

Deno.test("TraceWriter.write() takes no reply that was cut off, by length or in its JSON, for an answer", async () => {
  const cut = '{"success":true,"results":[{"index":0,"success":true},{"index":1,"succ';
  for (const length of ["content-length: 500\r\n", ""]) {
    await using server = cuttingServer([`HTTP/1.1 200 OK\r\nconnection: close\r\n${length}\r\n${cut}`]);
    const { writer } = writerFor(server.url);
    const results = await writer.write(filesNamed("a", "b"));
    assertEquals(results.map(({ state }) => state), ["unknown", "unknown"]);
    assertEquals(server.connections >= 6, true);
  }
});

Deno.test("TraceWriter.write() tells files that cannot be sent, and sends the others", async () => {
  await using server = traceServer();
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  const bad: unknown[] = [
    { fileName: "a", traceData: null },
    { fileName: "b" },
    { fileName: "", traceData: "x" },
    { fileName: 5, traceData: "x" },
    { fileName: "c", traceData: loop },
    { fileName: "d", traceData: 10n },
    { fileName: "e", traceData: "x", outputDirectory: 7 },
    null,
    "file",
  ];
  const good = filesNamed("good", "better");
  const { writer } = writerFor(server.url);
  const results = await writer.write([...bad, ...good] as TraceFile[]);
  assertEquals(results.map(({ state, error }) => error?.code ?? state), [
    ...bad.map(() => "invalid_item"),
    "written",
    "written",
  ]);
  assertEquals([asked(server), [...server.truth.keys()]], ["b", ["./traces/good", "./traces/better"]]);
});

Deno.test("TraceWriter.write() does not let a later file take the place of an earlier one of the call", async () => {
  await using server = traceServer();
  const { writer } = writerFor(server.url);
  const results = await writer.write([
    { fileName: "a", traceData: "first", outputDirectory: "./d" },
    { fileName: "a", traceData: "second", outputDirectory: "d/" },
    { fileName: "a", traceData: "elsewhere", outputDirectory: "e" },
  ]);
  assertEquals(results.map(({ state, error }) => error?.code ?? state), [
    "written",
    "duplicate_path",
    "written",
  ]);
  assertEquals(server.truth.get("./d/a"), "first");
});

Deno.test("TraceWriter.write() stops when it is called off, and knows what was written by then", async () => {
  const abort = new AbortController();
  await using server = traceServer((ways) => {
    if (ways.turn === 1) abort.abort();
    return ways.write();
  });
  const files = filesNamed("a", "b", "c", "d", "e", "f");
  const { writer } = writerFor(server.url, { maxBatchSize: 2 });
  const results = await writer.write(files, { signal: abort.signal });
  assertEquals(results.map(({ state }) => state), [
    "written",
    "written",
    "unknown",
    "unknown",
    "failed",
    "failed",
  ]);
  assertTrue(files, results, server.truth);
});

Deno.test("TraceWriter.write() answers for no file at all, and for a server that is not there", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr;
  listener.close();
  const { writer, clock } = writerFor(`http://127.0.0.1:${port}/`);
  assertEquals(await writer.write([]), []);
  const results = await writer.write(filesNamed(...Array.from({ length: 25 }, (_, i) => `${i}`)));
  assertEquals(new Set(results.map(({ error }) => error?.code)), new Set(["network"]));
  assertEquals(results.some(({ state }) => state === "written"), false);
  // One batch and one file by itself, three tries each; then it is known that nobody is there.
  assertEquals([writer.statistics.requests, clock.waits.length], [6, 4]);
  const nowhere = writerFor("nowhere");
  assertEquals((await nowhere.writer.write(filesNamed("a", "b"))).map(({ state }) => state), [
    "failed",
    "failed",
  ]);
});

Deno.test("TraceWriter.write() waits as Retry-After says", async () => {
  await using server = traceServer(({ index, write }) =>
    index === 0 ? new Response("", { status: 429, headers: { "retry-after": "3" } }) : write()
  );
  const { writer, clock } = writerFor(server.url);
  await writer.write(filesNamed("a", "b"));
  assertEquals([clock.waits, writer.statistics.retries], [[3_000], 1]);
});
