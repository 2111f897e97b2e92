/**
 * Bodies whose framing is wrong: cut, longer or shorter than announced, badly chunked. None leaves a row behind.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { openRaw, requestHead } from "../support/http.ts";
import { filesBelow } from "../support/parts.ts";
import { event, postAlone, type PostOptions, storedNames } from "./track_requests.ts";

const hush = JSON.stringify(event("hush"));
const bodies: Record<string, string> = {
  "/track": hush,
  "/track/batch": `{"events":[${hush}]}`,
  "/v1/sessions/S1/backend": '{"entries":[{"rid":"hush","trace":["hush"]}]}',
};

/** One chunk of a chunked body. */
function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

const lastChunk = "0\r\n\r\n";

/** What is sent, and whether the daemon itself finds the fault (else the server under it does, without a reason). */
interface Fault extends PostOptions {
  readonly name: string;
  readonly bytes: (body: string) => string;
  readonly told: boolean;
}

const faults: Fault[] = [
  { name: "announced longer, then cut", bytes: (body) => body, announced: 200, cut: true, told: true },
  {
    name: "announced much longer, then cut",
    bytes: (body) => body,
    announced: 5_000_000,
    cut: true,
    told: true,
  },
  { name: "announced, and nothing sent", bytes: () => "", announced: 100, cut: true, told: true },
  { name: "announced shorter", bytes: (body) => body, announced: 20, told: true },
  { name: "announced as empty", bytes: (body) => body, announced: 0, told: true },
  { name: "chunked without a last chunk", bytes: chunk, announced: undefined, cut: true, told: true },
  {
    name: "chunked and cut within a chunk",
    bytes: (body) => `${(body.length + 9).toString(16)}\r\n${body}`,
    announced: undefined,
    cut: true,
    told: true,
  },
  { name: "chunked with nothing in it", bytes: () => lastChunk, announced: undefined, told: true },
  {
    name: "announced as no number",
    bytes: (body) => body,
    headers: { "content-length": "many" },
    told: false,
  },
  { name: "announced as negative", bytes: (body) => body, headers: { "content-length": "-1" }, told: false },
  {
    name: "announced twice, differently",
    bytes: (body) => body,
    headers: { "Content-Length": "7" },
    told: false,
  },
  {
    name: "announced and chunked",
    bytes: (body) => chunk(body) + lastChunk,
    headers: { "transfer-encoding": "chunked" },
    told: false,
  },
];

async function assertNothingStored(daemon: Daemon): Promise<void> {
  assertEquals((await storedNames(daemon)).filter((name) => name !== "served"), []);
  for (const folder of ["traces", "profiles"]) assertEquals(await filesBelow(daemon.dataDir, folder), []);
}

async function assertServing(daemon: Daemon): Promise<void> {
  assertEquals((await postAlone(`${daemon.url}/track`, JSON.stringify(event("served"))))?.status, 200);
}

Deno.test("A body that is cut, or not as long as announced, is refused and leaves nothing behind", async (t) => {
  await using daemon = await startDaemon();
  for (const [path, body] of Object.entries(bodies)) {
    for (const { name, bytes, told, ...options } of faults) {
      await t.step(`${path}: ${name}`, async () => {
        const reply = await postAlone(daemon.url + path, bytes(body), options);
        assertEquals(reply?.status, 400);
        if (told) assertEquals((reply?.json as { code: string }).code, "malformed_json");
        await assertServing(daemon);
      });
    }
    await t.step(`${path}: a chunk size that is no number`, async () => {
      const reply = await postAlone(daemon.url + path, `zz\r\n${body}\r\n${lastChunk}`, {
        announced: undefined,
      });
      // Depending on how far the request was, its connection is just closed.
      assert(reply === undefined || reply.status === 400, reply?.text);
      await assertServing(daemon);
    });
  }
  await assertNothingStored(daemon);
});

Deno.test("A client that goes away in the middle of a body leaves nothing behind", async (t) => {
  await using daemon = await startDaemon();
  for (const [path, body] of Object.entries(bodies)) {
    for (const announced of [body.length + 1, 1_000_000, undefined]) {
      await t.step(`${path}: announced ${announced ?? "nothing"}`, async () => {
        {
          using connection = await openRaw(daemon.url);
          await connection.write(requestHead(daemon.url + path, announced));
          await connection.write(announced === undefined ? chunk(body) : body);
        }
        await assertServing(daemon);
      });
    }
  }
  await assertNothingStored(daemon);
  // The requests that nobody waits for any more have ended, too.
  const { in_flight_requests: left } = await traffic(daemon);
  assertEquals(left, 0);
});

Deno.test("Bodies come in chunks of any size, and connections are used again", async () => {
  await using daemon = await startDaemon();
  using connection = await openRaw(daemon.url);
  for (const size of [1, 2, 7, 64]) {
    const text = `{"events":[${JSON.stringify(event(`chunks of ${size}`))}]}`;
    await connection.write(requestHead(`${daemon.url}/track/batch`));
    for (let at = 0; at < text.length; at += size) await connection.write(chunk(text.slice(at, at + size)));
    await connection.write(lastChunk);
    assertEquals((await connection.readReply())?.json, { accepted: 1, rejected: [] });
  }
  assertEquals((await storedNames(daemon)).length, 4);
});

Deno.test("A body that stalls is given up with 408, and so is one that takes too long", async (t) => {
  const limits = { stall_timeout_ms: 300, body_timeout_ms: 1_500 };
  await using daemon = await startDaemon({ config: { limits } });
  for (const [path, body] of Object.entries(bodies)) {
    for (const [size, announced] of [["small", body.length + 10], ["large", 1_000_000]] as const) {
      await t.step(`${path}: ${size} and silent`, async () => {
        const reply = await postAlone(daemon.url + path, body, { announced });
        const { code, retryable } = reply?.json as { code: string; retryable: boolean };
        assertEquals([reply?.status, code, retryable], [408, "stalled", true]);
      });
    }
  }
  await t.step("a byte now and then", async () => {
    using connection = await openRaw(daemon.url);
    await connection.write(requestHead(`${daemon.url}/track/batch`, 1_000_000));
    let open = true;
    const reply = connection.readReply().finally(() => open = false);
    while (open) {
      await connection.write(" ");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assertEquals((await reply)?.status, 408);
  });
  await assertServing(daemon);
  await assertNothingStored(daemon);
});

async function traffic(daemon: Daemon): Promise<Record<string, number>> {
  const deadline = performance.now() + 5_000;
  for (;;) {
    const response = await fetch(`${daemon.adminUrl}/healthz`);
    const { checks } = await response.json() as {
      checks: { name: string; figures: Record<string, number> }[];
    };
    const { figures } = checks.find(({ name }) => name === "traffic")!;
    if (figures.in_flight_requests === 0 || performance.now() > deadline) return figures;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
