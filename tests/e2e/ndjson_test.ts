/**
 * NDJSON streams: a verdict for each window while the body still arrives, and what a client learns when one ends early.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { openRaw, type RawConnection, requestHead } from "../support/http.ts";
import { event, postAlone, storedEvents, storedNames } from "./track_requests.ts";

/** One line of a reply. */
interface Line {
  readonly through: number;
  readonly accepted?: number;
  /** By row; in the last line, how many. */
  readonly rejected?: { index: number; reason: string }[] | number;
  readonly rejected_more?: number;
  readonly duplicates?: number;
  readonly done?: true;
  readonly error?: { status: number; code: string; retryable: boolean };
}

const headers = { "content-type": "application/x-ndjson" };

function ndjson(rows: unknown[]): string {
  return rows.map((row) => JSON.stringify(row) + "\n").join("");
}

function named(prefix: string, count: number, from = 0): unknown[] {
  return Array.from(
    { length: count },
    (_, i) => event(`${prefix} ${from + i}`, { $insert_id: `${prefix} ${from + i}` }),
  );
}

function linesOf(text: string): Line[] {
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Index and reason of each refused row that the lines name. */
function refusedIn(lines: Line[]): [number, string][] {
  return lines.flatMap(({ rejected }) => Array.isArray(rejected) ? rejected : []).map((
    { index, reason },
  ) => [index, reason]);
}

async function post(daemon: Daemon, body: string | Uint8Array): Promise<Line[]> {
  const reply = await postAlone(`${daemon.url}/track/batch`, body, { headers });
  assertEquals([reply?.status, reply?.headers.get("content-type")], [202, "application/x-ndjson"]);
  return linesOf(reply!.text);
}

/** A stream that stays open: rows go out, lines come in, each when the test wants it. */
class OpenStream implements Disposable {
  readonly #connection: RawConnection;
  #text = "";

  constructor(connection: RawConnection) {
    this.#connection = connection;
  }

  static async begin(daemon: Daemon): Promise<OpenStream> {
    const connection = await openRaw(daemon.url);
    await connection.write(requestHead(`${daemon.url}/track/batch`, undefined, headers));
    return new OpenStream(connection);
  }

  async send(rows: unknown[]): Promise<void> {
    const bytes = new TextEncoder().encode(ndjson(rows));
    await this.#connection.write(`${bytes.length.toString(16)}\r\n`);
    await this.#connection.write(bytes);
    await this.#connection.write("\r\n");
  }

  async end(): Promise<void> {
    await this.#connection.write("0\r\n\r\n");
  }

  /** Reads until there is a line that fits, or the daemon closes; gives all lines so far. */
  async readUntil(fits: (line: Line) => boolean): Promise<Line[]> {
    for (;;) {
      const lines = this.#text.split("\n").filter((line) => /^\{.*\}$/.test(line)).map((line) =>
        JSON.parse(line)
      );
      if (lines.some(fits)) return lines;
      const more = await this.#connection.readSome();
      if (more === undefined) return lines;
      this.#text += more;
    }
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

/** How many rows there are of each name with this prefix: each once. */
async function assertStoredOnce(daemon: Daemon, prefix: string, count: number): Promise<void> {
  const names = (await storedNames(daemon)).filter((name) => name.startsWith(`${prefix} `));
  assertEquals(names, Array.from({ length: count }, (_, i) => `${prefix} ${i}`).sort());
}

Deno.test("Lines tell the fate of every row, in order, window by window", async (t) => {
  await using daemon = await startDaemon();

  await t.step("rows of many windows", async () => {
    const rows = named("many", 2_345);
    for (const at of [0, 49, 50, 1_000, 2_344]) rows[at] = event("");
    const lines = await post(daemon, ndjson(rows));
    const verdicts = lines.slice(0, -1);
    assertEquals(lines.at(-1), { done: true, through: 2_344, accepted: 2_340, rejected: 5, duplicates: 0 });
    let next = 0;
    const rejected: number[] = [];
    for (const { through, accepted, rejected: named } of verdicts) {
      const refused = named as { index: number }[];
      assertEquals(through - next + 1, accepted! + refused.length);
      assert(refused.every(({ index }) => index >= next && index <= through));
      rejected.push(...refused.map(({ index }) => index));
      next = through + 1;
    }
    assertEquals([next, rejected], [2_345, [0, 49, 50, 1_000, 2_344]]);
    assertEquals((await storedNames(daemon)).length, 2_340);
  });

  await t.step("rows that are no JSON fail alone", async () => {
    const good = JSON.stringify(event("beside"));
    const bad = [
      ...[
        "{",
        "}",
        "nonsense",
        `${good}${good}`,
        `${good},`,
        '{"a":NaN}',
        "[".repeat(200) + "]".repeat(200),
        '"\t"',
      ],
      ...['{"type":"track","payload":{"name":"cut', '\ufeff{"a":1}', "\u0001"],
    ];
    const text = bad.flatMap((line) => [good, line]).join("\n");
    const lines = await post(daemon, text);
    assertEquals(lines.at(-1), { done: true, through: 21, accepted: 11, rejected: 11, duplicates: 0 });
    assertEquals(refusedIn(lines), bad.map((_, i) => [2 * i + 1, "malformed"]));
  });

  await t.step("rows that are JSON, but no rows, fail alone", async () => {
    const lines = await post(daemon, 'null\n17\n"text"\n[]\n{}\ntrue\n');
    assertEquals(lines.at(-1), { done: true, through: 5, accepted: 0, rejected: 6, duplicates: 0 });
    assertEquals(refusedIn(lines), [0, 1, 2, 3, 4, 5].map((index) => [index, "validation"]));
  });

  await t.step("a row that is no UTF-8 fails alone", async () => {
    const [before, behind] = [ndjson(named("before", 3)), ndjson(named("behind", 3))];
    const bytes = new TextEncoder().encode(`${before}#${behind}`);
    const broken = new TextEncoder().encode(JSON.stringify(event("broken#")));
    broken[broken.indexOf(0x23)] = 0xff;
    const at = bytes.indexOf(0x23);
    const body = Uint8Array.of(...bytes.subarray(0, at), ...broken, 0x0a, ...bytes.subarray(at + 1));
    const lines = await post(daemon, body);
    assertEquals(lines.at(-1), { done: true, through: 6, accepted: 6, rejected: 1, duplicates: 0 });
    assertEquals(refusedIn(lines), [[3, "malformed"]]);
  });

  await t.step("blank lines, CRLF and a last line without its end", async () => {
    const rows = named("blank", 5).map((row) => JSON.stringify(row));
    const lines = await post(daemon, `\n \r\n${rows.join("\r\n\t\n\n")}`);
    assertEquals(lines.at(-1), { done: true, through: 4, accepted: 5, rejected: 0, duplicates: 0 });
    await assertStoredOnce(daemon, "blank", 5);
  });

  await t.step("no rows at all", async () => {
    for (const body of ["", "\n", " \r\n \n"]) {
      assertEquals(await post(daemon, body), [{
        done: true,
        through: -1,
        accepted: 0,
        rejected: 0,
        duplicates: 0,
      }]);
    }
  });

  await t.step("rows that were stored before", async () => {
    const lines = await post(daemon, ndjson(named("many", 100, 100)));
    assertEquals(lines.at(-1), { done: true, through: 99, accepted: 100, rejected: 0, duplicates: 100 });
  });

  await t.step("a row beyond its limit ends the stream behind the rows before it", async () => {
    const rows = named("beyond", 120);
    rows.splice(110, 0, event("large", { text: "x".repeat(8 * 1024 * 1024) }));
    const lines = await post(daemon, ndjson(rows));
    const { through, error } = lines.at(-1)!;
    assertEquals([through, error?.status, error?.code], [109, 413, "body_too_large"]);
    await assertStoredOnce(daemon, "beyond", 110);
  });
});

Deno.test("Verdicts come while the body still arrives", async () => {
  await using daemon = await startDaemon();
  using stream = await OpenStream.begin(daemon);
  for (const last of [49, 99, 149]) {
    await stream.send(named("live", 50, last - 49));
    const lines = await stream.readUntil(({ through }) => through === last);
    assertEquals(lines.at(-1)?.through, last);
    // They are safe by then, though the body is open.
    await assertStoredOnce(daemon, "live", last + 1);
  }
  await stream.end();
  const lines = await stream.readUntil(({ done }) => done === true);
  assertEquals(lines.at(-1), { done: true, through: 149, accepted: 150, rejected: 0, duplicates: 0 });
});

Deno.test("A client that sends a row each few milliseconds hears of them while it sends", async () => {
  await using daemon = await startDaemon();
  using stream = await OpenStream.begin(daemon);
  let isTold = false;
  const first = stream.readUntil(({ through }) => through >= 0).finally(() => isTold = true);
  let sent = 0;
  // Never silent for the 10 ms of a pause; ends by itself after far more than a second's worth of rows.
  for (; !isTold && sent < 5_000; sent++) {
    await stream.send(named("steady", 1, sent));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert(isTold, `nothing heard after ${sent} rows`);
  assert((await first)[0].through < sent);
  await stream.end();
  const lines = await stream.readUntil(({ done }) => done === true);
  assertEquals(lines.at(-1), { done: true, through: sent - 1, accepted: sent, rejected: 0, duplicates: 0 });
});

Deno.test("A client that lost its connection goes on behind the last line it read, and no row is lost or doubled", async (t) => {
  await using daemon = await startDaemon();
  const interruptions = {
    "the connection breaks": () => Promise.resolve(),
    "the daemon is killed": () => daemon.restart(),
  };
  for (const [name, interrupt] of Object.entries(interruptions)) {
    await t.step(name, async () => {
      const rows = named(name, 2_000);
      let through: number;
      {
        using stream = await OpenStream.begin(daemon);
        await stream.send(rows.slice(0, 1_500));
        through = (await stream.readUntil((line) => line.through >= 600)).at(-1)!.through;
        await interrupt();
      }
      const lines = await post(daemon, ndjson(rows.slice(through + 1)));
      assertEquals(lines.at(-1)?.accepted, rows.length - through - 1);
      await assertStoredOnce(daemon, name, 2_000);
    });
  }
});

Deno.test("A client that sends everything before it reads anything gets every verdict all the same", async () => {
  const count = 200_000;
  await using daemon = await startDaemon();
  using connection = await openRaw(daemon.url);
  const good = JSON.stringify(event("good")) + "\n";
  const bad = JSON.stringify(event("")) + "\n";
  const pair = new TextEncoder().encode(good + bad);
  const bytes = pair.length * count / 2;
  await connection.write(requestHead(`${daemon.url}/track/batch`, bytes, headers));
  const piece = new TextEncoder().encode((good + bad).repeat(500));
  for (let i = 0; i < count / 1_000; i++) await connection.write(piece);
  const reply = await connection.readReply();
  const lines = linesOf(reply!.text);
  assertEquals(lines.at(-1), {
    done: true,
    through: count - 1,
    accepted: count / 2,
    rejected: count / 2,
    duplicates: 0,
  });
  const verdicts = lines.slice(0, -1);
  const accepted = verdicts.reduce((sum, line) => sum + line.accepted!, 0);
  const rejected = verdicts.reduce(
    (sum, line) => sum + (line.rejected as unknown[]).length + (line.rejected_more ?? 0),
    0,
  );
  assertEquals([accepted, rejected], [count / 2, count / 2]);
  assert(verdicts.every(({ through }, i) => i === 0 || through > verdicts[i - 1].through));
  assertEquals((await storedEvents(daemon)).length, count / 2);
});
