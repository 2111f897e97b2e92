/**
 * Live feeds of runs: Server-Sent Events of what is stored, as it is stored. Nothing waits in memory for a slow
 * client: the journal and the parts keep the events until it reads on.
 * @module
 */

import { ByteWriter } from "../../base/byte_writer.ts";
import { WeirError } from "../../base/errors.ts";
import type { ReadEvent, RunName, RunReader } from "../../flush/run_reader.ts";
import type { Inbound, Services } from "../dialect.ts";
import { numberOf, seqOf, writeLine } from "./read_runs.ts";

/** Events that come together are read together. */
const gatherMs = 50;
/** A comment keeps proxies from closing a feed in which nothing happens. */
const keepAliveMs = 15_000;
/** A client that is further behind than this is brought to the end, and told how many events it missed. */
const maxBehind = 2_048;
const pieceBytes = 65_536;

/** Feeds that are open. Disposing of it ends them. */
export class RunFeeds implements AsyncDisposable {
  readonly #open = new Set<Feed>();

  /**
   * Opens a feed. With `?after=seq`, or Last-Event-ID, it begins with what is stored behind that number, else with
   * what comes.
   * @throws WeirError `overloaded`, `validation`
   */
  open(name: RunName, { url, headers }: Inbound, { runs, config }: Services): Response {
    const maxFeeds = config.test_events.max_feeds;
    if (this.#open.size >= maxFeeds) {
      throw new WeirError("overloaded", `Too many feeds: test_events.max_feeds is ${maxFeeds}`, {
        retryAfterS: 5,
      });
    }
    const lastId = Number(headers.get("last-event-id") ?? NaN);
    const range = { fallback: -1, min: 0, max: Number.MAX_SAFE_INTEGER };
    const after = Number.isSafeInteger(lastId) && lastId >= 0 ? lastId : numberOf(url, "after", range);
    const feed = new Feed(name, runs, after);
    this.#open.add(feed);
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => feed.pull(controller),
      cancel: () => feed.end(),
    }, { highWaterMark: 0 });
    void feed.ended.then(() => this.#open.delete(feed));
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const feed of this.#open) feed.end();
    return Promise.resolve();
  }
}

/** One client's feed. */
class Feed {
  readonly ended: Promise<void>;
  readonly #name: RunName;
  readonly #runs: RunReader;
  readonly #watch: Disposable;
  readonly #pieces: AsyncGenerator<Uint8Array, void, undefined>;
  #end: () => void = () => undefined;
  #isOver = false;
  #wake: (() => void) | undefined;
  #hasNews = false;
  /** Arrival number of the next event to be sent. */
  #next: number;

  constructor(name: RunName, runs: RunReader, after: number) {
    this.#name = name;
    this.#runs = runs;
    this.#next = after >= 0 ? 0 : runs.nextNumber(name);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#watch = runs.watch(name, () => {
      this.#hasNews = true;
      this.#wake?.();
    });
    this.#pieces = this.#run(after);
  }

  /** Sends the next piece; waits for one where there is none. */
  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      const { value, done } = await this.#pieces.next();
      if (!done) return controller.enqueue(value);
    } catch (error) {
      this.end();
      return controller.error(error);
    }
    this.end();
    controller.close();
  }

  end(): void {
    this.#isOver = true;
    this.#watch[Symbol.dispose]();
    this.#wake?.();
    this.#end();
  }

  async *#run(after: number): AsyncGenerator<Uint8Array, void, undefined> {
    const out = new ByteWriter(2 * pieceBytes);
    out.ascii(": feed\n\n");
    if (after >= 0) yield* this.#catchUp(out, after);
    if (out.length > 0) yield take(out);
    while (!this.#isOver) {
      if (!await this.#news()) {
        if (!this.#isOver) yield new TextEncoder().encode(": still here\n\n");
        continue;
      }
      const missed = this.#runs.nextNumber(this.#name) - this.#next - maxBehind;
      if (missed > 0) {
        this.#next += missed;
        writeMissed(out, missed);
      }
      for await (const read of this.#runs.arrived(this.#name, this.#next)) {
        this.#next = read.event.n + 1;
        writeEvent(out, read);
        if (out.length >= pieceBytes) yield take(out);
        if (this.#isOver) return;
      }
      if (out.length > 0) yield take(out);
    }
  }

  /** What is stored behind a number, in the order in which it was sent. */
  async *#catchUp(out: ByteWriter, after: number): AsyncGenerator<Uint8Array, void, undefined> {
    let isFirst = true;
    let next = 0;
    for await (const read of this.#runs.events(this.#name)) {
      next = Math.max(next, read.event.n + 1);
      if (seqOf(read) <= after) continue;
      if (isFirst && seqOf(read) > after + 1) writeMissed(out, seqOf(read) - after - 1);
      isFirst = false;
      writeEvent(out, read);
      if (out.length >= pieceBytes) yield take(out);
      if (this.#isOver) return;
    }
    this.#next = next;
    this.#hasNews = true;
  }

  /** Waits for something to be stored; false when nothing was for a while. */
  async #news(): Promise<boolean> {
    if (!this.#hasNews) await this.#pause(keepAliveMs);
    if (!this.#hasNews || this.#isOver) return false;
    await this.#pause(gatherMs, { evenWithNews: true });
    this.#hasNews = false;
    return true;
  }

  /** Waits so long, or until there are news, or the end. */
  async #pause(ms: number, { evenWithNews = false } = {}): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      Deno.unrefTimer(timer);
      this.#wake = () => {
        if (evenWithNews && !this.#isOver) return;
        clearTimeout(timer);
        resolve();
      };
      if (this.#isOver) this.#wake();
    });
    this.#wake = undefined;
  }
}

function writeEvent(out: ByteWriter, read: ReadEvent): void {
  out.ascii(`id: ${seqOf(read)}\ndata: `);
  writeLine(out, read);
  out.ascii("\n\n");
}

/** Tells how many events a client will not see. */
function writeMissed(out: ByteWriter, missed: number): void {
  out.ascii(`event: missed\ndata: {"missed":${missed}}\n\n`);
}

function take(out: ByteWriter): Uint8Array {
  const piece = out.view().slice();
  out.truncate(0);
  return piece;
}
