/**
 * Limits at their edges: what is just allowed is taken, what is one more is refused as a whole; and what is in flight
 * stays below its bound.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { openRaw, type Reply, requestHead, send } from "../support/http.ts";
import { event, postAlone, type PostOptions, storedNames } from "./track_requests.ts";

const miB = 1024 * 1024;

function events(prefix: string, count: number): unknown[] {
  return Array.from({ length: count }, (_, i) => event(`${prefix} ${i}`));
}

/** A batch of exactly so many bytes, whose rows are named `prefix 0`, `prefix 1` and so on. */
function batchOf(bytes: number, { prefix, rows }: { prefix: string; rows: number }): string {
  const bare = JSON.stringify({ events: events(prefix, rows) });
  const share = Math.floor((bytes - bare.length) / rows) - ',"pad":""'.length;
  const padded = Array.from({ length: rows }, (_, i) => event(`${prefix} ${i}`, { pad: "p".repeat(share) }));
  const text = JSON.stringify({ events: padded });
  return text.slice(0, -1) + " ".repeat(bytes - text.length) + "}";
}

/** The code of an error reply; undefined where it is none. */
function codeOf(reply: Reply | undefined): string | undefined {
  return (reply?.json as { code?: string } | undefined)?.code;
}

async function countOf(daemon: Daemon, prefix: string): Promise<number> {
  const names = (await storedNames(daemon)).filter((name) => name.startsWith(`${prefix} `));
  assertEquals(new Set(names).size, names.length, "no row twice");
  return names.length;
}

Deno.test("Each limit of a body takes what is just within, and refuses what is beyond as a whole", async (t) => {
  await using daemon = await startDaemon();
  const before = await daemon.peakRssKb();
  const batch = `${daemon.url}/track/batch`;
  const single = `${daemon.url}/track`;
  const post = (url: string, body: string, options?: PostOptions): Promise<Reply | undefined> =>
    postAlone(url, body, options);

  await t.step("P14: 2000 rows, and 2001", async () => {
    const full = await post(batch, JSON.stringify({ events: events("full", 2_000) }));
    assertEquals([full?.status, full?.json], [202, { accepted: 2_000, rejected: [] }]);
    const over = await post(batch, JSON.stringify({ events: events("over", 2_001) }));
    assertEquals([over?.status, codeOf(over)], [400, "too_many_rows"]);
    assertEquals([await countOf(daemon, "full"), await countOf(daemon, "over")], [2_000, 0]);
  });

  await t.step("the other form of a batch, too", async () => {
    const full = await post(single, JSON.stringify({ type: "batch", payload: events("other full", 2_000) }));
    assertEquals([full?.status, full?.json], [202, { accepted: 2_000, rejected: [] }]);
    const over = await post(single, JSON.stringify({ type: "batch", payload: events("other over", 2_001) }));
    assertEquals([over?.status, codeOf(over)], [400, "too_many_rows"]);
    assertEquals([await countOf(daemon, "other full"), await countOf(daemon, "other over")], [2_000, 0]);
  });

  for (const framing of ["announced", "chunked"] as const) {
    await t.step(`P15: 10 MiB, and a byte more, ${framing}`, async () => {
      const send = async (bytes: number, prefix: string): Promise<Reply | undefined> => {
        const text = batchOf(bytes, { prefix, rows: 100 });
        assertEquals(text.length, bytes);
        if (framing === "announced") return await post(batch, text);
        return await post(batch, inChunks(text), { announced: undefined });
      };
      const full = await send(10 * miB, `${framing} full`);
      assertEquals([full?.status, full?.json], [202, { accepted: 100, rejected: [] }]);
      const over = await send(10 * miB + 1, `${framing} over`);
      assertEquals([over?.status, codeOf(over)], [413, "body_too_large"]);
      assertEquals(await countOf(daemon, `${framing} full`), 100);
      assertEquals(await countOf(daemon, `${framing} over`), 0);
    });
  }

  await t.step("a length beyond the limit is refused before the body is sent", async () => {
    using connection = await openRaw(daemon.url);
    await connection.write(requestHead(batch, 10 * miB + 1));
    const reply = await connection.readReply();
    assertEquals([reply?.status, codeOf(reply)], [413, "body_too_large"]);
  });

  await t.step("what follows a refusal is not taken for the next request", async () => {
    using connection = await openRaw(daemon.url);
    await connection.write(requestHead(batch, 11 * miB));
    assertEquals((await connection.readReply())?.status, 413);
    const row = JSON.stringify(event("smuggled 0"));
    const hidden = requestHead(single, row.length) + row;
    const filler = hidden.repeat(Math.ceil(11 * miB / hidden.length)).slice(0, 11 * miB);
    // The daemon may close the connection in the midst of it.
    await connection.write(filler).catch(() => undefined);
    assertEquals(await countOf(daemon, "smuggled"), 0);
  });

  await t.step("a text of 100 MB", async () => {
    const row = JSON.stringify(event("hush", { text: "x".repeat(100_000_000) }));
    const ndjson = { headers: { "content-type": "application/x-ndjson" } };
    for (const [url, body] of [[single, row], [batch, `{"events":[${row}]}`]] as const) {
      const reply = await post(url, body);
      assertEquals([reply?.status, codeOf(reply)], [413, "body_too_large"]);
      const chunked = await send(url, pieces(body));
      assertEquals([chunked.status, codeOf(chunked)], [413, "body_too_large"]);
    }
    const stream = await post(batch, row, ndjson);
    assertEquals((JSON.parse(stream!.text) as { error: { code: string } }).error.code, "body_too_large");
  });

  await t.step("64 KiB beside the rows, and more", async () => {
    const around = (bytes: number, place: "before" | "behind"): string => {
      const pad = `"pad":"${"p".repeat(bytes)}"`;
      const rows = `"events":[${JSON.stringify(event(`around ${bytes} ${place}`))}]`;
      return place === "before" ? `{${pad},${rows}}` : `{${rows},${pad}}`;
    };
    for (const place of ["before", "behind"] as const) {
      assertEquals((await post(batch, around(65_000, place)))?.status, 202);
      const over = await post(batch, around(65_600, place));
      assertEquals([over?.status, codeOf(over)], [413, "body_too_large"]);
    }
    assertEquals(await countOf(daemon, "around 65000"), 2);
    assertEquals(await countOf(daemon, "around 65600"), 0);
  });

  await t.step("128 levels of nesting, and one more", async () => {
    const nested = (levels: number): string =>
      JSON.stringify(event("nested 0")).replace('"nested 0"', `"nested ${levels}"`)
        .replace('"__deviceId"', `"deep":${"[".repeat(levels)}${"]".repeat(levels)},"__deviceId"`);
    // The row's own object, its payload and properties are three of them; the batch around it two more.
    assertEquals((await post(single, nested(125)))?.status, 200);
    assertEquals(codeOf(await post(single, nested(126))), "too_deep");
    assertEquals((await post(batch, `{"events":[${nested(123)}]}`))?.status, 202);
    assertEquals(codeOf(await post(batch, `{"events":[${nested(124)}]}`)), "too_deep");
    assertEquals(await countOf(daemon, "nested"), 2);
  });

  await t.step("more headers, or longer ones, than a server takes", async () => {
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`x-header-${i}`, "v"]));
    const row = JSON.stringify(event("headers 0"));
    for (const headers of [many, { "x-long": "v".repeat(10_000_000) }]) {
      using connection = await openRaw(daemon.url);
      await connection.write(requestHead(single, row.length, headers)).catch(() => undefined);
      const reply = await connection.readReply();
      assert(reply === undefined || reply.status === 400 || reply.status === 431, reply?.text);
    }
    assertEquals(await countOf(daemon, "headers"), 0);
  });

  const grown = await daemon.peakRssKb() - before;
  assert(grown < 256 * 1024, `peak memory grew by ${grown} KiB`);
});

/** A body in chunks of 64 KiB, with its framing. */
function inChunks(text: string): string {
  const size = 65_536;
  let out = "";
  for (let at = 0; at < text.length; at += size) {
    const piece = text.slice(at, at + size);
    out += `${piece.length.toString(16)}\r\n${piece}\r\n`;
  }
  return out + "0\r\n\r\n";
}

/** A body of no announced length. */
function pieces(text: string): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream({
    pull(controller): void {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at += 65_536));
    },
  });
}

interface Traffic {
  readonly in_flight_bytes: number;
  readonly in_flight_requests: number;
  readonly peak_in_flight_bytes: number;
}

async function trafficOf(daemon: Daemon): Promise<Traffic> {
  const { json } = await send(`${daemon.adminUrl}/healthz`);
  const { checks } = json as { checks: { name: string; figures: unknown }[] };
  return checks.find(({ name }) => name === "traffic")!.figures as Traffic;
}

/** Eight batches of 10 MiB at once; each reply with the prefix of its rows. */
async function eightAtOnce(daemon: Daemon): Promise<[string, Reply | undefined][]> {
  const prefixes = Array.from({ length: 8 }, (_, i) => `batch ${i}`);
  return await Promise.all(prefixes.map(async (prefix): Promise<[string, Reply | undefined]> => {
    const body = batchOf(10 * miB, { prefix, rows: 1_000 });
    return [prefix, await postAlone(`${daemon.url}/track/batch`, body)];
  }));
}

Deno.test("Eight batches of 10 MiB at once wait for each other within what may be in flight", async () => {
  const maxBytes = 40 * miB;
  // Far longer than they need, even on a slow machine.
  const limits = { max_in_flight_bytes: maxBytes, admission_wait_ms: 30_000 };
  await using daemon = await startDaemon({ config: { limits } });
  for (const [, reply] of await eightAtOnce(daemon)) {
    assertEquals([reply?.status, reply?.json], [202, { accepted: 1_000, rejected: [] }]);
  }
  await assertWithin(daemon, { least: 10 * miB, most: maxBytes });
  assertEquals(await countOf(daemon, "batch"), 8_000);
});

Deno.test("What need not wait is refused where there is no room, and stored whole or not at all", async () => {
  const maxBytes = 40 * miB;
  const limits = { max_in_flight_bytes: maxBytes, admission_wait_ms: 0 };
  await using daemon = await startDaemon({ config: { limits } });
  const refused = new Set<string>();
  const taken = new Set<string>();
  for (const [prefix, reply] of await eightAtOnce(daemon)) {
    if (reply?.status === 202) {
      taken.add(prefix);
      continue;
    }
    assertEquals([reply?.status, codeOf(reply)], [503, "overloaded"]);
    assert(Number(reply?.headers.get("retry-after")) >= 1);
    assertEquals((reply?.json as { retryable: boolean }).retryable, true);
    refused.add(prefix);
  }
  assert(refused.size > 0 && taken.size > 0, `${taken.size} taken, ${refused.size} refused`);
  for (const prefix of taken) assertEquals(await countOf(daemon, prefix), 1_000);
  for (const prefix of refused) assertEquals(await countOf(daemon, prefix), 0);
  await assertWithin(daemon, { least: 10 * miB, most: maxBytes });
  // One that was refused is taken when it is tried again alone.
  const body = batchOf(10 * miB, { prefix: [...refused][0], rows: 1_000 });
  const again = await postAlone(`${daemon.url}/track/batch`, body);
  assertEquals(again?.json, { accepted: 1_000, rejected: [] });
});

/** Nothing is in flight, and what was lay within these bounds. */
async function assertWithin(daemon: Daemon, { least, most }: { least: number; most: number }): Promise<void> {
  const { in_flight_bytes: bytes, in_flight_requests: requests, peak_in_flight_bytes: peak } =
    await trafficOf(
      daemon,
    );
  assertEquals([bytes, requests], [0, 0]);
  assert(peak >= least && peak <= most, `peak is ${peak}`);
}

Deno.test("More requests than may be in flight are refused for a while", async () => {
  await using daemon = await startDaemon({ config: { limits: { max_in_flight_requests: 3 } } });
  const url = `${daemon.url}/track/batch`;
  const row = `{"events":[${JSON.stringify(event("waiting 0"))}]}`;
  const open = await Promise.all([1, 2, 3].map(() => openRaw(url)));
  for (const connection of open) await connection.write(requestHead(url, row.length) + row.slice(0, -1));
  while ((await trafficOf(daemon)).in_flight_requests < 3) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const refused = await postAlone(`${daemon.url}/track`, JSON.stringify(event("refused 0")));
  assertEquals([refused?.status, codeOf(refused)], [503, "overloaded"]);
  for (const connection of open) {
    await connection.write("}");
    assertEquals((await connection.readReply())?.status, 202);
    connection.close();
  }
  assertEquals((await postAlone(`${daemon.url}/track`, JSON.stringify(event("taken 0"))))?.status, 200);
  assertEquals(await storedNames(daemon), ["taken 0", "waiting 0", "waiting 0", "waiting 0"]);
});
