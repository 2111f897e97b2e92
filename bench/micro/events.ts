/**
 * Events of the common shape from the bytes of a body to the bytes of their records, nothing stored: nanoseconds of a
 * row, by the size of its body, with what finding the rows costs and without.
 *
 *     deno run --allow-read --allow-write --allow-env --allow-sys bench/micro/events.ts [rounds]
 *
 * A round runs every arm many times and keeps the fastest, which other work on the machine has disturbed least.
 *
 * @module
 */

import { Outcomes } from "../../src/base/outcome.ts";
import { Unit } from "../../src/base/record.ts";
import { JsonRows } from "../../src/parse/json_rows.ts";
import type { RowLimits } from "../../src/parse/window.ts";
import { figure, median } from "../comparison.ts";
import { bodyOf, openIntake } from "./track_intake.ts";

const limits: RowLimits = {
  maxRows: 2000,
  maxRowBytes: 1 << 20,
  maxDepth: 64,
  maxEnvelopeBytes: 65536,
  windowRows: 50,
  windowBytes: 256 * 1024,
  maxBodyBytes: 10 << 20,
};
const chunkBytes = 65536;

/** What every arm works with. */
export interface EventArms {
  /** Takes a body once. */
  readonly arms: Readonly<Record<string, () => void>>;
  /** Rows of the body that it takes. */
  readonly rows: Readonly<Record<string, number>>;
}

/** The arms, for a sender with sessions of its own. */
export function eventArms(dir: string): EventArms {
  const now = Date.now();
  const { buffers, ingest } = openIntake(dir, now);
  const takeWindows = (body: Uint8Array, events: number): void => {
    const session = ingest(true);
    const rows = new JsonRows({ rowsKey: "events", limits });
    const unit = new Unit(2 * body.length, buffers);
    const outcomes = new Outcomes();
    for (let at = 0; at < body.length; at += chunkBytes) {
      for (const window of rows.push(body.subarray(at, at + chunkBytes))) {
        session.take(window, unit, outcomes);
        window.settle();
      }
    }
    for (const window of rows.finish()) session.take(window, unit, outcomes);
    check(outcomes, events);
    unit.writer.free();
  };
  const scan = (body: Uint8Array): void => {
    const rows = new JsonRows({ rowsKey: "events", limits });
    for (let at = 0; at < body.length; at += chunkBytes) {
      for (const window of rows.push(body.subarray(at, at + chunkBytes))) window.trust(0);
    }
    rows.finish();
  };
  const takeWhole = (body: Uint8Array, events: number, batchOnly: boolean): void => {
    const unit = new Unit(2 * body.length + 1_024, buffers);
    const outcomes = new Outcomes();
    ingest(batchOnly).takeWhole(body, unit, outcomes);
    check(outcomes, events);
    unit.writer.free();
  };
  const large = bodyOf({ kind: "batch", events: 2000 }, now);
  const identified = bodyOf({ kind: "batch", events: 2000, insertIds: true }, now);
  const small = bodyOf({ kind: "batch", events: 10 }, now);
  const single = bodyOf({ kind: "single" }, now);
  return {
    rows: { windows: 2000, "windows, insert ids": 2000, "scan alone": 2000, "batch of 10": 10, single: 1 },
    arms: {
      windows: () => takeWindows(large, 2000),
      "windows, insert ids": () => takeWindows(identified, 2000),
      "scan alone": () => scan(large),
      "batch of 10": () => takeWhole(small, 10, true),
      single: () => takeWhole(single, 1, false),
    },
  };
}

function check(outcomes: Outcomes, events: number): void {
  if (outcomes.accepted !== events) throw new Error(`Took ${outcomes.accepted} rows instead of ${events}`);
}

/** Nanoseconds of a row in one run of an arm, the fastest of many. */
export function fastest({ arms, rows }: EventArms, name: string): number {
  const times = Math.ceil(20_000 / rows[name]);
  const repeats = rows[name] === 1 ? 200 : rows[name] === 10 ? 20 : 1;
  let best = Infinity;
  for (let time = 0; time < times / repeats; time++) {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) arms[name]();
    best = Math.min(best, (performance.now() - start) / repeats);
  }
  return best * 1e6 / rows[name];
}

if (import.meta.main) {
  const dir = Deno.makeTempDirSync();
  const events = eventArms(dir);
  const times: Record<string, number[]> = {};
  for (let round = -1; round < Number(Deno.args[0] ?? 7); round++) {
    for (const name of Object.keys(events.arms)) {
      const ns = fastest(events, name);
      // The first round warms up.
      if (round >= 0) (times[name] ??= []).push(ns);
    }
  }
  for (const [name, values] of Object.entries(times)) {
    const line = `${name.padEnd(20)} ${figure(median(values), " ns")} a row\n`;
    Deno.stdout.writeSync(new TextEncoder().encode(line));
  }
  Deno.removeSync(dir, { recursive: true });
}
