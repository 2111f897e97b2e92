/**
 * What the size of a stream costs in memory: a long NDJSON body, from a client that reads its verdicts and from one
 * that sends as fast as it can, against one of 16 MiB, after which buffers and heaps have the size that they keep.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startDaemon } from "../support/daemon.ts";
import { requestHead } from "../support/http.ts";
import { event } from "./track_requests.ts";

const miB = 1024 * 1024;
const rowsPerPiece = 500;
/** How many rows a sender that looks at the verdicts is ahead of them. */
const leadRows = 10_000;
/** As many as there are devices in the test. */
const deviceDigits = 3;
const numberDigits = 9;

/** Rows with running numbers: no two of them are alike. */
class NumberedRows {
  readonly piece: Uint8Array;
  readonly #rowBytes: number;
  readonly #deviceEnd: number;
  readonly #numberEnd: number;
  #next = 0;

  constructor() {
    const device = "#".repeat(deviceDigits);
    const number = "%".repeat(numberDigits);
    const row = JSON.stringify(event("page viewed", {
      __deviceId: `device ${device}`,
      __timestamp: new Date().toISOString(),
      __path: `https://shop.example/products/${number}?colour=green`,
      text: "Some text, so that the row is about as long as events are: é ü 😀",
      number: 12.5,
    })) + "\n";
    this.piece = new TextEncoder().encode(row.repeat(rowsPerPiece));
    this.#rowBytes = this.piece.length / rowsPerPiece;
    this.#deviceEnd = row.indexOf(device) + deviceDigits;
    this.#numberEnd = row.indexOf(number) + numberDigits;
  }

  /** Gives every row of the piece its number. */
  renumber(): void {
    for (let start = 0; start < this.piece.length; start += this.#rowBytes) {
      this.#write(this.#next, { end: start + this.#deviceEnd, digits: deviceDigits });
      this.#write(this.#next++, { end: start + this.#numberEnd, digits: numberDigits });
    }
  }

  #write(value: number, { end, digits }: { end: number; digits: number }): void {
    let rest = value;
    for (let at = end - 1; at >= end - digits; at--) {
      this.piece[at] = 0x30 + rest % 10;
      rest = Math.floor(rest / 10);
    }
  }
}

interface Sent {
  readonly rows: number;
  /** The last line of the reply. */
  readonly last: Record<string, unknown>;
}

/** Sends at least so many bytes of rows as one body, never more than `leadRows` ahead of the verdicts. */
async function stream(url: string, leastBytes: number, leadRows: number): Promise<Sent> {
  const rows = new NumberedRows();
  const pieces = Math.ceil(leastBytes / rows.piece.length);
  const { hostname, port } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const headers = { "content-type": "application/x-ndjson", connection: "close" };
  const verdicts = new Verdicts(connection);
  await writeAll(connection, new TextEncoder().encode(requestHead(url, pieces * rows.piece.length, headers)));
  for (let i = 0; i < pieces; i++) {
    rows.renumber();
    await verdicts.reach(i * rowsPerPiece - leadRows);
    await writeAll(connection, rows.piece);
  }
  return { rows: pieces * rowsPerPiece, last: await verdicts.last };
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Reads the lines of a reply until the daemon closes the connection. */
class Verdicts {
  /** The last one. */
  readonly last: Promise<Record<string, unknown>>;
  #through = -1;
  #wake: () => void = () => {};

  constructor(connection: Deno.Conn) {
    this.last = this.#read(connection);
  }

  /** Waits until row number `row` has its verdict. */
  async reach(row: number): Promise<void> {
    while (this.#through < row) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  async #read(connection: Deno.Conn): Promise<Record<string, unknown>> {
    const buffer = new Uint8Array(65_536);
    const decoder = new TextDecoder();
    let tail = "";
    let last: Record<string, unknown> = {};
    for (let size = await connection.read(buffer); size !== null; size = await connection.read(buffer)) {
      const lines = (tail + decoder.decode(buffer.subarray(0, size), { stream: true })).split("\n");
      tail = lines.pop()!;
      for (const line of lines) {
        // Where a chunk of the reply ends within a line, its parts are none.
        if (/^\{.*\}$/.test(line)) last = JSON.parse(line);
      }
      this.#through = Number(last.through ?? -1);
      this.#wake();
    }
    return last;
  }
}

/** How many MiB a body of so many bytes adds to the peak of a daemon that has seen a short one. */
async function measureGrowth(leastBytes: number, leadRows: number): Promise<number> {
  await using daemon = await startDaemon();
  const url = `${daemon.url}/track/batch`;
  const short = await stream(url, 16 * miB, leadRows);
  assertEquals(short.last.accepted, short.rows);
  // The first flush starts the flush worker, which every daemon has from its first seconds on.
  const flushed = await fetch(`${daemon.adminUrl}/flush`, { method: "POST" });
  assert((await flushed.json()).rows >= short.rows);
  const before = await daemon.peakRssKb();
  const { rows, last: { done, through, accepted, rejected } } = await stream(url, leastBytes, leadRows);
  assertEquals({ done, through, accepted, rejected }, {
    done: true,
    through: rows - 1,
    accepted: rows,
    rejected: 0,
  });
  return (await daemon.peakRssKb() - before) / 1024;
}

Deno.test("A body of 1 GiB from a client that reads its verdicts costs no more memory than a short one", async () => {
  const grownMiB = await measureGrowth(1_024 * miB, leadRows);
  assert(grownMiB <= 64, `peak memory grew by ${grownMiB} MiB`);
});

Deno.test("A body of 256 MiB that is sent at full speed costs no more memory than a short one", async () => {
  const grownMiB = await measureGrowth(256 * miB, Infinity);
  assert(grownMiB <= 64, `peak memory grew by ${grownMiB} MiB`);
});
