import { assertEquals, assertRejects } from "@std/assert";
import { eventLines, readEvents } from "../../src/traces/event_pieces.ts";

const encoder = new TextEncoder();

async function* cut(text: string, at: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = encoder.encode(text);
  const ends = [...at, bytes.length];
  let from = 0;
  for (const end of ends) {
    yield bytes.subarray(from, end);
    from = end;
  }
  await Promise.resolve();
}

async function eventsOf(pieces: AsyncIterable<Uint8Array>): Promise<unknown[]> {
  const events = [];
  for await (const group of readEvents(pieces)) events.push(...group);
  return events;
}

const texts = [
  "[]",
  "[ \t ]",
  "[1]",
  ` [ 1 ,\t"a,]\\"[" , {"b":[1,{"c":"]"}],"ü":"😀"},[],[[]],null,-1.5e3 ] `,
  `[{"a":"\\\\"},{"a":"\\u005d,"}]`,
];

Deno.test("readEvents() gives every event once, wherever the array is cut", async () => {
  for (const text of texts) {
    const size = encoder.encode(text).length;
    for (let i = 0; i <= size; i++) {
      for (const at of [[i], [i, Math.min(i + 1, size)], [Math.min(3, i), i]]) {
        assertEquals(await eventsOf(cut(text, at)), JSON.parse(text), `${text} at ${at}`);
      }
    }
  }
});

Deno.test("eventLines() puts a line break for each comma between events, and for no other", async () => {
  for (const text of texts) {
    let lines = "";
    for await (const piece of eventLines(cut(text, [2, 5, 9].filter((at) => at < text.length)))) {
      lines += new TextDecoder("utf-8", { fatal: false }).decode(piece);
    }
    const parsed = lines.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line));
    assertEquals(parsed, JSON.parse(text));
  }
});

Deno.test("readEvents() passes on what goes wrong below", async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield encoder.encode("[1,");
    await Promise.reject(new Deno.errors.NotFound("gone"));
  }
  await assertRejects(() => eventsOf(broken()), Deno.errors.NotFound);
});
