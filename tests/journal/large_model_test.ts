import { assert, assertEquals } from "@std/assert";
import type { Journal } from "../../src/journal/append.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { recoverJournal } from "../../src/journal/recover.ts";
import { tempDir } from "../support/temp.ts";
import { filesAfter, type Note, NotedDisk } from "./noted_disk.ts";
import { randomFrom } from "./random.ts";
import { line, memoryLog, openJournal, systemError, trackedFrame } from "./support.ts";

const sizes = { largeFrameBytes: 300, pieceBytes: 100, segmentBytes: 1_500 } as const;
const framesPerRun = 60;
const cutsPerRun = 25;

/** One run of a journal: what was appended, what the disk saw, and what was told. */
class Run {
  readonly disk = new NotedDisk();
  /** Frame to the frame that it must not be stored before. */
  readonly follows = new Map<number, number>();
  readonly #random: () => number;
  readonly #unsettled = new Set<number>();
  readonly #settling: Promise<unknown>[] = [];
  #next = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Appends frames of both kinds and rotates, at any moment, on a disk that is full now and then. */
  async play(journal: Journal, faults: boolean): Promise<void> {
    this.disk.before = (step) => {
      if (this.#random() < 0.5) this.#append(journal);
      if (this.#random() < 0.04) this.#rotate(journal);
      if (step !== "write") return;
      if (faults && this.#random() < 0.03) throw systemError("ENOSPC");
      if (this.#random() < 0.1) return 1 + Math.floor(this.#random() * 80);
    };
    while (this.#next < framesPerRun) {
      this.#append(journal);
      const waiting = this.#settling.at(-1);
      if (this.#random() < 0.5) await waiting;
    }
    this.disk.before = () => {};
    await Promise.all(this.#settling);
    await journal.close();
  }

  #append(journal: Journal): void {
    if (this.#next >= framesPerRun) return;
    const n = this.#next++;
    const padding = this.#random() < 0.25 ? 300 + Math.floor(this.#random() * 900) : 0;
    const frame = trackedFrame(line(n, padding));
    const [oldest] = this.#unsettled;
    const depends = oldest !== undefined && this.#random() < 0.3;
    if (depends) this.follows.set(n, [...this.#unsettled][Math.floor(this.#random() * this.#unsettled.size)]);
    this.#unsettled.add(n);
    const settle = (step: "placed" | "released"): void => {
      this.#unsettled.delete(n);
      this.disk.notes.push({ step, n });
    };
    this.#settling.push(
      journal.append({
        bytes: frame.bytes,
        follows: () => depends,
        placed: () => settle("placed"),
        released: () => settle("released"),
      }).catch(() => undefined),
    );
  }

  /** What was appended before is settled and lies below; nothing that is placed later does. */
  #rotate(journal: Journal): void {
    const before = this.#next;
    this.#settling.push(
      journal.rotate().then(() => {
        for (const n of this.#unsettled) {
          assert(n >= before, `${n} is not settled, and a rotation before it is over`);
        }
      }, () => undefined),
    );
  }
}

/** The frames that are read back when the process, or with `power` the machine, ends after these notes. */
async function readAfter(
  notes: readonly Note[],
  options: { random: () => number; power: boolean },
): Promise<number[]> {
  await using root = await tempDir();
  await Deno.mkdir(`${root.path}/journal`);
  for (const [name, { bytes, synced }] of filesAfter(notes)) {
    const lost = options.power ? Math.floor(options.random() * (bytes.length - synced + 1)) : 0;
    await Deno.writeFile(`${root.path}/journal/${name}`, bytes.subarray(0, bytes.length - lost));
  }
  const read = async (): Promise<number[]> => {
    const found: number[] = [];
    const { log, lines } = memoryLog();
    const { quarantined } = await recoverJournal({
      dir: `${root.path}/journal`,
      quarantineDir: `${root.path}/quarantine`,
      largeFrameBytes: sizes.largeFrameBytes,
      log,
      metrics: createMetrics(),
      onFrame: (_, payload) => void found.push(JSON.parse(new TextDecoder().decode(payload)).n),
    });
    assertEquals([quarantined, lines.filter(({ level }) => level === "error")], [0, []]);
    return found;
  };
  const found = await read();
  assertEquals(await read(), found, "the second start reads something else");
  return found;
}

/** Everything acknowledged once, in the order of the places; nothing that was refused; nothing without what it follows. */
function assertLegal(
  found: readonly number[],
  notes: readonly Note[],
  follows: ReadonlyMap<number, number>,
): void {
  const told = (step: "placed" | "released"): number[] =>
    notes.flatMap((note) => note.step === step ? [note.n] : []);
  const placed = told("placed");
  assertEquals(found.slice(0, placed.length), placed);
  const more = found.slice(placed.length);
  assertEquals(new Set(found).size, found.length);
  const released = new Set(told("released"));
  assert(!found.some((n) => released.has(n)), "a refused frame is back");
  for (const n of more) {
    const before = follows.get(n);
    assert(before === undefined || found.includes(before), `${n} is there without ${before}`);
  }
}

for (let seed = 1; seed <= 10; seed++) {
  Deno.test(`a crash at any step, of process or machine, loses and doubles nothing, seed ${seed}`, async () => {
    const random = randomFrom(seed);
    const run = new Run(random);
    const options = { ...sizes, files: run.disk, durability: "fsync" } as const;
    await using root = await tempDir();
    const { journal } = await openJournal(`${root.path}/journal`, options);
    await run.play(journal, seed % 2 === 0);
    const { notes } = run.disk;
    assertLegal(await readAfter(notes, { random, power: false }), notes, run.follows);
    for (let i = 0; i < cutsPerRun; i++) {
      const until = notes.slice(0, Math.floor(random() * notes.length));
      const last = until.at(-1);
      // The write itself may be cut.
      if (last?.step === "write") {
        const bytes = last.bytes.subarray(0, Math.floor(random() * last.bytes.length));
        until.push({ ...until.pop() as typeof last, bytes });
      }
      assertLegal(await readAfter(until, { random, power: i % 2 === 0 }), until, run.follows);
    }
    assert(notes.some((note) => note.step === "released") === (seed % 2 === 0));
  });
}
