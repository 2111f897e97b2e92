/**
 * The chunked parser, to values: a body of 10 MiB in chunks of 64 KiB, against `JSON.parse` of the whole, which has it
 * in one piece from the start, and against two streaming parsers from npm, fed the same chunks. And, where no values
 * are built, to verdicts and written records: as many bytes of track events, taken as the daemon takes a body, but for
 * network, journal and disk, against `JSON.parse` of the whole of them.
 *
 *     deno run --allow-read --allow-write --allow-env --allow-sys --allow-run bench/micro/parse.ts [rounds]
 *
 * A round runs every arm in a process of its own, so that none collects another's garbage, with V8's default settings.
 * After three runs to warm up, the fastest of six counts, which other work on the machine has disturbed least.
 *
 * @module
 */

import { Readable } from "node:stream";
import { JSONParser } from "npm:@streamparser/json@0.0.26";
import chain from "npm:stream-chain@4.4.1";
import { pick } from "npm:stream-json@3.8.0/filters/pick.js";
import { parser } from "npm:stream-json@3.8.0/parser.js";
import { streamArray } from "npm:stream-json@3.8.0/streamers/stream-array.js";
import { Outcomes } from "../../src/base/outcome.ts";
import { Unit } from "../../src/base/record.ts";
import { JsonRows } from "../../src/parse/json_rows.ts";
import { NdjsonRows } from "../../src/parse/ndjson_rows.ts";
import { RowStretch } from "../../src/parse/row_stretch.ts";
import { Scanner } from "../../src/parse/scanner.ts";
import type { RowLimits, RowSource, RowWindow } from "../../src/parse/window.ts";
import { type Comparison, figure, median, worst } from "../comparison.ts";
import { bodyOf, openIntake, type TrackIntake } from "./track_intake.ts";

const bodyBytes = 10 * 1024 * 1024;

/** One of track's is 293 bytes long. */
const trackEvents = Math.ceil(bodyBytes / 293);

const limits: RowLimits = {
  maxRows: 1_000_000,
  maxRowBytes: 1 << 20,
  maxDepth: 64,
  maxEnvelopeBytes: 65536,
  windowRows: 50,
  windowBytes: 256 * 1024,
  maxBodyBytes: Infinity,
};

interface Row {
  payload: { name: string; properties: { width: number } };
}

/** A body, whole and in chunks. */
interface Body {
  readonly whole: Uint8Array;
  readonly chunks: Uint8Array[];
}

const words = "the quick brown fox jumps over a lazy dog while seven wizards mix éclairs and count 42 stars"
  .split(" ");

/** Rows of about 290 bytes whose texts and numbers differ in length, from a seed. */
function makeRows(bytes: number): string[] {
  let seed = 7;
  const below = (end: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % end;
  };
  const text = (most: number): string =>
    Array.from({ length: 1 + below(most) }, () => words[below(words.length)]).join(" ");
  const rows: string[] = [];
  for (let size = 0; size < bytes; size += rows.at(-1)!.length + 1) {
    const path = "/" + text(4).replaceAll(" ", "/");
    const properties = {
      path,
      title: text(8),
      referrer: `https://example.com${path}?utm=${below(1e6)}`,
      width: below(4000),
      ratio: below(1000) / 100,
      plan: words[below(words.length)],
      items: [below(10), below(100)],
      signedIn: below(2) === 0,
      note: below(4) === 0 ? `"${text(6)}"` : null,
    };
    rows.push(JSON.stringify({ type: "track", payload: { name: "screen_view", properties } }));
  }
  return rows;
}

function makeBody(whole: Uint8Array): Body {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < whole.length; at += 65536) chunks.push(whole.subarray(at, at + 65536));
  return { whole, chunks };
}

/** What every arm does with a row, so that none may leave out the work. */
function look(row: unknown): number {
  const { payload } = row as Row;
  return payload.name.length + payload.properties.width;
}

function readRows(source: RowSource, { chunks }: Body): number {
  let sum = 0;
  const take = (windows: ReturnType<RowSource["push"]>): void => {
    for (const window of windows) {
      for (let i = 0; i < window.count; i++) sum += look(window.value(i));
    }
  };
  for (const chunk of chunks) take(source.push(chunk));
  take(source.finish());
  return sum;
}

function parseWhole({ whole }: Body): number {
  const { events } = JSON.parse(new TextDecoder().decode(whole)) as { events: unknown[] };
  return events.reduce((sum: number, row) => sum + look(row), 0);
}

function readWithStreamparser({ chunks }: Body): number {
  let sum = 0;
  const json = new JSONParser({ paths: ["$.events.*"], keepStack: false });
  json.onValue = ({ value }) => void (sum += look(value));
  for (const chunk of chunks) json.write(chunk);
  return sum;
}

async function readWithStreamJson({ chunks }: Body): Promise<number> {
  let sum = 0;
  const rows = chain([parser({ streamValues: false }), pick({ filter: "events" }), streamArray()]);
  rows.on("data", ({ value }: { value: unknown }) => void (sum += look(value)));
  const end = Promise.withResolvers<void>();
  rows.on("end", () => end.resolve());
  rows.on("error", end.reject);
  Readable.from(chunks).pipe(rows);
  await end.promise;
  return sum;
}

/** Finds the rows and does nothing with them. */
function scanOnly({ whole }: Body): number {
  const scanner = new Scanner(64);
  scanner.enter();
  scanner.enter();
  let rows = 0;
  for (let at = '{"events":['.length; at < whole.length; at++) {
    at = scanner.scan(whole, at, whole.length);
    rows++;
    if (whole[at] === 0x5d) break;
  }
  return rows;
}

/** Takes track events up to their records. Returns how many were accepted. */
function takeEvents({ whole, chunks }: Body, { buffers, ingest }: TrackIntake): number {
  const session = ingest(true);
  const rows = new JsonRows({ rowsKey: "events", limits, buffers });
  // What the daemon makes room for when it is told the body's length.
  const unit = new Unit(2 * whole.length + 1_024, buffers);
  const outcomes = new Outcomes();
  const source: RowSource<RowWindow | RowStretch> = rows.offering();
  const take = (pieces: Iterable<RowWindow | RowStretch>): void => {
    for (const piece of pieces) {
      if (piece instanceof RowStretch) session.takeStretch(piece, unit, outcomes);
      else {
        session.take(piece, unit, outcomes);
        piece.settle();
      }
    }
  };
  for (const chunk of chunks) take(source.push(chunk));
  take(source.finish());
  rows.free();
  session.close({ envelope: rows.envelope, rowsKey: rows.rowsKey }, outcomes);
  const written = Math.min(outcomes.accepted, unit.count);
  unit.writer.free();
  return written;
}

function countWhole({ whole }: Body): number {
  return (JSON.parse(new TextDecoder().decode(whole)) as { events: unknown[] }).events.length;
}

type ValueArm = "weir" | "ndjson" | "whole" | "streamparser" | "stream_json" | "scan";
/** Track events: to records, and by `JSON.parse`. */
type EventArm = "events" | "events_whole";
type Arm = ValueArm | EventArm;

const valueArms: Record<ValueArm, (body: Body) => number | Promise<number>> = {
  weir: (body) => readRows(new JsonRows({ rowsKey: "events", limits }), body),
  ndjson: (body) => readRows(new NdjsonRows({ limits }), body),
  whole: parseWhole,
  streamparser: readWithStreamparser,
  stream_json: readWithStreamJson,
  scan: scanOnly,
};

/** Milliseconds of an arm, in this process. */
async function measureArm(name: Arm): Promise<number> {
  return name === "events" || name === "events_whole" ? await measureEvents(name) : await measureValues(name);
}

async function measureValues(name: ValueArm): Promise<number> {
  const rows = makeRows(bodyBytes);
  const text = name === "ndjson" ? rows.join("\n") : `{"events":[${rows.join(",")}]}`;
  const expected = name === "scan" ? rows.length : rows.reduce((sum, row) => sum + look(JSON.parse(row)), 0);
  const bytes = new TextEncoder().encode(text);
  const body = makeBody(bytes);
  // Line feeds are overwritten when rows are read, so that each run needs its own.
  const bodyOfRun = (): Body => name === "ndjson" ? makeBody(bytes.slice()) : body;
  return await fastestRun(name, { bodyOfRun, run: valueArms[name], expected });
}

async function measureEvents(name: EventArm): Promise<number> {
  const dir = await Deno.makeTempDir();
  try {
    const now = Date.now();
    const intake = openIntake(dir, now);
    const body = makeBody(bodyOf({ kind: "batch", events: trackEvents }, now));
    const run = (body: Body): number => name === "events" ? takeEvents(body, intake) : countWhole(body);
    return await fastestRun(name, { bodyOfRun: () => body, run, expected: trackEvents });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** What an arm runs on what, and what it must say. */
interface Runs {
  readonly bodyOfRun: () => Body;
  readonly run: (body: Body) => number | Promise<number>;
  readonly expected: number;
}

async function fastestRun(name: Arm, { bodyOfRun, run, expected }: Runs): Promise<number> {
  let best = Infinity;
  for (let time = -3; time < 6; time++) {
    const body = bodyOfRun();
    const start = performance.now();
    const sum = await run(body);
    const ms = performance.now() - start;
    if (sum !== expected) throw new Error(`The arm ${name} read other rows: ${sum} instead of ${expected}`);
    if (time >= 0) best = Math.min(best, ms);
  }
  return best;
}

/** The same in a process of its own. */
async function runArm(name: Arm): Promise<number> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-read",
      "--allow-write",
      "--allow-env",
      "--allow-sys",
      import.meta.filename!,
      "--arm",
      name,
    ],
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error(`The arm ${name} ended with exit code ${code}`);
  return Number(new TextDecoder().decode(stdout));
}

/** Milliseconds of each arm, run in turn. */
async function measure(rounds: number): Promise<Record<Arm, number[]>> {
  const times: Record<Arm, number[]> = {
    weir: [],
    whole: [],
    streamparser: [],
    stream_json: [],
    ndjson: [],
    scan: [],
    events: [],
    events_whole: [],
  };
  for (let round = 0; round < rounds; round++) {
    for (const name of Object.keys(times) as Arm[]) times[name].push(await runArm(name));
  }
  for (const [name, values] of Object.entries(times)) {
    const ms = median(values);
    say(`${name.padEnd(14)} ${figure(ms, " ms")}, ${figure(bodyBytes / ms / 1000, " MB/s")}`);
  }
  return times;
}

/** The chunked parser's figures, a ratio of speeds each. */
export async function compareParsers(rounds: number): Promise<Comparison[]> {
  const times = await measure(rounds);
  const compare = (
    arm: Arm,
    against: { own: Arm } & Pick<Comparison, "what" | "against" | "bar" | "goal">,
  ): Comparison => {
    const { own, ...rest } = against;
    return {
      ...rest,
      row: "parse",
      unit: "x",
      better: "more",
      values: times[arm].map((ms, round) => ms / times[own][round]),
      detail: `${figure(median(times[arm]), " ms")} against ${figure(median(times[own]), " ms")}`,
    };
  };
  const values = { own: "weir", what: "chunked parser to values, 10 MiB in 64 KiB chunks" } as const;
  return [
    compare("whole", { ...values, against: "JSON.parse of the whole", bar: 0.65, goal: 1 }),
    compare("streamparser", { ...values, against: "@streamparser/json", bar: 5, goal: 5 }),
    compare("stream_json", { ...values, against: "stream-json", bar: 12, goal: 12 }),
    compare("events_whole", {
      own: "events",
      what: "track events to records, no values built, 10 MiB in 64 KiB chunks",
      against: "JSON.parse of the whole",
      bar: undefined,
      goal: 1.5,
    }),
  ];
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}

if (import.meta.main) {
  const [first, name] = Deno.args;
  if (first === "--arm") say(String(await measureArm(name as Arm)));
  else await compare(Number(first ?? 5));
}

async function compare(rounds: number): Promise<void> {
  for (const comparison of await compareParsers(rounds)) {
    const { what, against, values, unit, bar, goal } = comparison;
    say(
      `${what}, against ${against}: ${figure(median(values), unit)}, worst ${
        figure(worst(comparison), unit)
      } ` +
        `(bar ${bar ?? "none"}, goal ${goal})`,
    );
  }
}
