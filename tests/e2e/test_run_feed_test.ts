import { assertEquals } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { flush, post, postAll, readEvents, readRun, type Row, wholeRun } from "./test_events.ts";

/** What a feed said: the `seq` of an event, or how many were missed. */
type Said = number | { missed: number };

/** A client of a feed. */
class FeedClient implements AsyncDisposable {
  readonly #abort = new AbortController();
  readonly #lines: ReadableStreamDefaultReader<string>;

  private constructor(body: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#lines = body.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()).getReader();
  }

  static async open(daemon: Daemon, path: string, headers: Record<string, string> = {}): Promise<FeedClient> {
    const response = await fetch(`${daemon.url}/v1/test-runs/${path}`, { headers });
    assertEquals([response.status, response.headers.get("content-type")], [200, "text/event-stream"]);
    return new FeedClient(response.body!);
  }

  /** The next so many things it says. */
  async next(count: number): Promise<Said[]> {
    const said: Said[] = [];
    let event = "";
    while (said.length < count) {
      const { value, done } = await this.#lines.read();
      if (done) throw new Error(`The feed ended after ${JSON.stringify(said)}`);
      if (value.startsWith("event: ")) event = value.slice(7);
      if (!value.startsWith("data: ")) continue;
      const data = JSON.parse(value.slice(6));
      said.push(event === "missed" ? { missed: data.missed } : data.seq);
      event = "";
    }
    return said;
  }

  /** Reads to the end of the stream. */
  async end(): Promise<void> {
    for (let done = false; !done;) ({ done } = await this.#lines.read());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#lines.cancel().catch(() => undefined);
  }
}

Deno.test("A feed gives what comes, and with after what is stored behind it, before and after a flush", async () => {
  await using daemon = await startDaemon();
  const rows = wholeRun("r", { tests: 4, steps: 1 });
  await using early = await FeedClient.open(daemon, "r/feed");
  // Its first bytes are read before anything is posted, so that the feed has begun.
  const first = early.next(8);
  await postAll(daemon, rows.slice(0, 5));
  await flush(daemon);
  await postAll(daemon, rows.slice(5, 10));
  assertEquals(await first, [1, 2, 3, 4, 5, 6, 7, 8]);
  await using later = await FeedClient.open(daemon, "r/feed?after=3");
  assertEquals(await later.next(7), [4, 5, 6, 7, 8, 9, 10]);
  await postAll(daemon, rows.slice(10, 12));
  assertEquals(await later.next(2), [11, 12]);
  assertEquals(await early.next(4), [9, 10, 11, 12]);
  await using again = await FeedClient.open(daemon, "r/events", {
    ...{ accept: "text/event-stream", "last-event-id": "10" },
  });
  assertEquals(await again.next(2), [11, 12]);
});

Deno.test("A feed tells how many events it does not have", async () => {
  await using daemon = await startDaemon();
  const rows = wholeRun("r", { tests: 4, steps: 0 });
  await postAll(daemon, rows.slice(4, 8));
  await using client = await FeedClient.open(daemon, "r/feed?after=1");
  assertEquals(await client.next(5), [{ missed: 3 }, 5, 6, 7, 8]);
});

Deno.test("A client that is too far behind is brought to the end, and told how many events it missed", async () => {
  await using daemon = await startDaemon();
  const rows = (count: number, from: number, message: string): Row[] =>
    Array.from({ length: count }, (_, i) => ({
      ...{ id: `e${from + i}`, seq: from + i, type: "stderr", runId: "r", data: { message } },
    }));
  // More than sockets and streams on the way hold: the feed stands still among these until they are read.
  const [large, small, tail] = [90, 5_000, 2_048];
  await using client = await FeedClient.open(daemon, "r/feed");
  const first = client.next(1);
  await postAll(daemon, rows(large, 1, "x".repeat(100_000)));
  assertEquals(await first, [1]);
  await postAll(daemon, rows(small, large + 1, "small"));
  const rest = await client.next(large - 1 + 1 + tail);
  const numbers = (from: number, to: number): number[] =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const end = large + small;
  assertEquals(rest, [...numbers(2, large), { missed: small - tail }, ...numbers(end - tail + 1, end)]);
  // From here on it is a feed as any other, and what it missed can be asked for.
  await postAll(daemon, rows(1, end + 1, "after"));
  assertEquals(await client.next(1), [end + 1]);
  await using again = await FeedClient.open(daemon, `r/feed?after=${large}`);
  assertEquals(await again.next(small + 1), numbers(large + 1, end + 1));
});

Deno.test("Feeds are bounded, end with the daemon, and do not hold it up", async () => {
  await using daemon = await startDaemon({ config: { test_events: { max_feeds: 1 } } });
  await using client = await FeedClient.open(daemon, "r/feed");
  const { status, headers } = await send(`${daemon.url}/v1/test-runs/r/feed`);
  assertEquals([status, headers.get("retry-after")], [503, "5"]);
  const ended = client.end().catch(() => undefined);
  assertEquals(await daemon.stop(), 0);
  await ended;
});

Deno.test("kill -9 in the middle of a stream of batches loses no acknowledged event and stores none twice", async () => {
  await using daemon = await startDaemon({ config: { flush: { interval_ms: 100 }, traces: { idle_ms: 1 } } });
  const rows = wholeRun("r", { tests: 600, steps: 2 });
  const acked: string[] = [];
  const batches: (typeof rows)[] = [];
  for (let at = 0; at < rows.length; at += 20) batches.push(rows.slice(at, at + 20));
  for (const [i, batch] of batches.entries()) {
    if (i % 50 === 25) {
      // Sent, and killed before the reply.
      const lost = post(daemon, batch).then(() => undefined, () => undefined);
      await daemon.kill9();
      await lost;
      await daemon.restart();
    }
    await send(`${daemon.url}/v1/test-events/batch`, { events: batch });
    acked.push(...batch.map(({ id }) => id));
  }
  const events = await readEvents(daemon, "r");
  assertEquals(events.map(({ id }) => id), acked);
  const { status, completeness } = await readRun(daemon, "r");
  assertEquals([status, completeness.received, completeness.orphan_count], ["PASSED", rows.length, 0]);
});
