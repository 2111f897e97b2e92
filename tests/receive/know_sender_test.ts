import { assert, assertEquals, assertRejects } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import type { Ingest } from "../../src/dialects/dialect.ts";
import type { Lease } from "../../src/receive/admission.ts";
import { Breath } from "../../src/receive/breathe.ts";
import { knowSender, type Unopened } from "../../src/receive/know_sender.ts";
import { joined } from "./encoded.ts";

const shape = { rowsKey: "events", single: false, ndjson: true, maxBytes: 1_000, maxRows: 3 };
const limits = {
  maxRows: 3,
  maxRowBytes: 100,
  maxDepth: 9,
  maxEnvelopeBytes: 100,
  windowRows: 2,
  windowBytes: 100,
  maxBodyBytes: 1_000,
};

/** A request whose session wants the envelope or not, and what it was told. */
function unopened(needsEnvelope: boolean, format: Unopened["format"]): {
  request: Unopened;
  opened: unknown[];
  held: number[];
} {
  const opened: unknown[] = [];
  const held: number[] = [];
  const session = {
    needsEnvelope,
    opened: (envelope: unknown) => {
      opened.push(envelope);
      return Promise.resolve();
    },
  } as unknown as Ingest;
  const lease = { hold: (bytes: number) => held.push(bytes) } as unknown as Lease;
  return { request: { format, shape, session, lease, limits }, opened, held };
}

/** The text in chunks that share two buffers, as bodies give them. */
async function* inChunks(text: string, size: number): AsyncGenerator<Uint8Array> {
  const buffers = [new Uint8Array(size), new Uint8Array(size)];
  for (let at = 0; at < text.length; at += size) {
    const buffer = buffers[(at / size) % 2].fill(0);
    const { written } = new TextEncoder().encodeInto(text.slice(at, at + size), buffer);
    yield buffer.subarray(0, written);
  }
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk.slice());
  return new TextDecoder().decode(joined(all));
}

Deno.test("knowSender() does not touch the body of a sender that is known", async () => {
  const { request, opened } = unopened(false, "json");
  const body = inChunks("{", 1);
  assert(await knowSender(body, request) === body);
  assertEquals([opened, await textOf(body)], [[], "{"]);
});

Deno.test("knowSender() reads the outer object first, and gives the body back as it came", async () => {
  const text = '{"events":[{"a":1},\n[2]], "clientId" : "shop"\n}';
  for (const size of [1, 7, 100]) {
    const { request, opened, held } = unopened(true, "json");
    const body = await knowSender(inChunks(text, size), request);
    assertEquals(opened, [{ events: [], clientId: "shop" }]);
    assertEquals(await textOf(body), text);
    assertEquals(held.at(-1), text.length);
  }
});

Deno.test("knowSender() opens nothing of a body that is malformed or past its limits", async () => {
  const bodies = [
    '{"events":[{}',
    '{"events":[{]}',
    '{"events":[1,2,3,4]}',
    `{"events":[],"x":"${"x".repeat(200)}"}`,
    "",
  ];
  for (const text of bodies) {
    const { request, opened } = unopened(true, "json");
    await assertRejects(() => knowSender(inChunks(text, 5), request), WeirError);
    assertEquals(opened, []);
  }
});

Deno.test("knowSender() opens a stream without an envelope, before its first line is read", async () => {
  const { request, opened } = unopened(true, "ndjson");
  const body = inChunks("{}\n", 1);
  assert(await knowSender(body, request) === body);
  assertEquals(opened, [{}]);
});

Deno.test("Breath.pause() lets others work once half a millisecond has passed, and not before", async () => {
  const began = performance.now();
  const breath = new Breath();
  let others = 0;
  const timer = setInterval(() => others++, 0);
  while (breath.pause() === undefined);
  assert(performance.now() - began >= 0.5);
  const before = others;
  for (let turns = 0; turns < 5;) {
    const turn = breath.pause();
    if (turn === undefined) continue;
    await turn;
    turns++;
  }
  clearInterval(timer);
  assert(others > before);
});
