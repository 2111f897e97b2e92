/**
 * Writes of trace files with an Idempotency-Key: run once, told the same each time.
 * @module
 */

import { assertEquals, assertNotEquals } from "@std/assert";
import { read, writeBatch, writeOne } from "../../e2e/trace_file_requests.ts";
import { startDaemon } from "../../support/daemon.ts";

const keyed = (key: string): { headers: Record<string, string> } => ({ headers: { "idempotency-key": key } });

Deno.test("a write with the Idempotency-Key of an earlier one gets its reply and writes nothing, also after kill -9", async () => {
  await using daemon = await startDaemon();
  const bodyOf = (traceData: string): Record<string, unknown> => ({
    one: { traceData, fileName: "one.txt" },
    batch: { traces: [{ traceData, fileName: "a.txt" }, { traceData, fileName: "b/c" }] },
  });
  const texts = async (): Promise<unknown[]> =>
    await Promise.all([read(daemon, "traces/one.txt"), read(daemon, "traces/a.txt")]);
  const write = async (traceData: string) => {
    const { one, batch } = bodyOf(traceData);
    return [await writeOne(daemon, one, keyed("k")), await writeBatch(daemon, batch, keyed("k"))];
  };
  const first = await write("first");
  assertEquals(first.map(({ status, json }) => [status, json.success]), [[200, true], [200, true]]);
  // The same key means nothing on another route.
  assertNotEquals(first[0].text, first[1].text);
  assertEquals(first.map(({ headers }) => headers.get("idempotent-replayed")), [null, null]);
  for (const when of ["at once", "after kill -9"]) {
    if (when === "after kill -9") {
      await daemon.kill9();
      await daemon.restart();
    }
    const again = await write("second");
    assertEquals(again.map(({ status, text }) => [status, text]), first.map(({ text }) => [200, text]), when);
    assertEquals(again.map(({ headers }) => headers.get("idempotent-replayed")), ["true", "true"]);
    assertEquals(await texts(), ["first", "first"]);
  }
  await writeOne(daemon, bodyOf("third").one, keyed("other"));
  assertEquals(await texts(), ["third", "first"]);
});

Deno.test("of writes at once with one Idempotency-Key, one is run and all are told the same", async () => {
  await using daemon = await startDaemon();
  const replies = await Promise.all(
    Array.from(
      { length: 8 },
      (_, i) => writeBatch(daemon, { traces: [{ traceData: `${i}`, fileName: `${i}` }] }, keyed("k")),
    ),
  );
  assertEquals(new Set(replies.map(({ text }) => text)).size, 1);
  assertEquals([...Deno.readDirSync(`${daemon.dataDir}/files/traces`)].length, 1);
});

Deno.test("a write that was refused has used no Idempotency-Key", async () => {
  await using daemon = await startDaemon();
  assertEquals((await writeOne(daemon, { fileName: "a" }, keyed("k"))).status, 400);
  assertEquals((await writeBatch(daemon, '{"traces":[', keyed("k"))).status, 400);
  assertEquals((await writeOne(daemon, { traceData: "x", fileName: "a" }, keyed("k"))).status, 200);
  assertEquals((await writeOne(daemon, { traceData: "x", fileName: "a" }, keyed(""))).status, 400);
  assertEquals(await read(daemon, "traces/a"), "x");
});
