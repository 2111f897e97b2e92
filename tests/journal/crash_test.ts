import { assert, assertEquals } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { tempDir } from "../support/temp.ts";
import { randomFrom } from "./random.ts";
import { readBack } from "./support.ts";

interface ChildOptions {
  readonly root: string;
  readonly first: number;
  readonly seed?: number;
  readonly durability?: "fsync" | "write";
  readonly faults?: string;
  /** @default more than any frame has */
  readonly largeFrameBytes?: number;
  /** Kills it when this returns true for the lines so far. @default never: it ends by itself */
  readonly killWhen?: (lines: string[]) => boolean;
}

/** Runs the child until it is killed or ends; returns what it printed. */
async function runChild(options: ChildOptions): Promise<{ lines: string[]; errors: string }> {
  const { root, first, seed = 1, durability = "fsync", faults = "", killWhen, largeFrameBytes = 1e9 } =
    options;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", "--config", configPath, childPath]
      .concat(root, String(first), String(seed), durability, String(largeFrameBytes)),
    env: { WEIR_FAULTS: faults },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const kill = (): void => {
    try {
      child.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
  };
  let errors = "";
  const watch = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      errors += text;
      if (errors.includes("fault point reached")) kill();
    }
  })();
  const lines: string[] = [];
  for await (
    const text of child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
  ) {
    lines.push(text);
    if (killWhen?.(lines)) kill();
  }
  await watch;
  await child.status;
  return { lines, errors };
}

const childPath = new URL("./crash_child.ts", import.meta.url).pathname;
const configPath = new URL("../../deno.json", import.meta.url).pathname;

/** The numbers among the lines: frames that were acknowledged. */
function acknowledged(lines: string[]): number[] {
  return lines.filter((text) => /^\d+$/.test(text)).map(Number);
}

/**
 * Reads the journal back: the frames must be numbers without a gap, from `first` on, up to the greatest acknowledged
 * one at least. Returns the number behind the last.
 */
async function assertAllThere(
  { root, first, acks }: { root: string; first: number; acks: number[] },
): Promise<number> {
  const { frames, quarantined } = await readBack(root);
  const numbers = frames.map(({ text }) => JSON.parse(text).n as number);
  assertEquals(numbers, Array.from({ length: numbers.length }, (_, i) => first + i));
  assert(Math.max(first - 1, ...acks) < first + numbers.length, "an acknowledged frame is lost");
  assertEquals(quarantined, 0);
  return first + numbers.length;
}

for (const [durability, rounds] of [["fsync", 20], ["write", 6]] as const) {
  Deno.test(`kill -9 loses no acknowledged frame and leaves no half one, with durability ${durability}`, async () => {
    await using root = await tempDir();
    const random = randomFrom(durability.length);
    let next = 0;
    let torn = 0;
    for (let round = 0; round < rounds; round++) {
      const enough = Math.floor(random() * 300);
      const { lines, errors } = await runChild({
        root: root.path,
        first: next,
        seed: round,
        durability,
        killWhen: (lines) => lines.length > enough,
      });
      assertEquals(errors, "");
      assertEquals(lines[0], `recovered ${next}`);
      const { truncated } = await readBack(root.path);
      if (truncated) torn++;
      next = await assertAllThere({ root: root.path, first: 0, acks: acknowledged(lines) });
    }
    assert(next > rounds, `${next} frames, ${torn} torn tails`);
  });
}

for (const place of ["journal.write", "journal.written", "journal.fsync", "journal.rotate"]) {
  Deno.test(`a process that is killed at ${place} loses no acknowledged frame`, async () => {
    await using root = await tempDir();
    let next = 0;
    for (const hit of [1, 2, 4]) {
      const { lines, errors } = await runChild({
        root: root.path,
        first: next,
        seed: hit,
        faults: `${place}:pause:${hit}`,
      });
      assertEquals(errors.trim(), `fault point reached: ${place}`);
      next = await assertAllThere({ root: root.path, first: 0, acks: acknowledged(lines) });
    }
  });
}

/** The child's frames of 200 KB are large. */
const largeFrameBytes = 100_000;

/** Reads the journal back: no frame twice, and all that were acknowledged; large ones may be missing in between. */
async function assertAcknowledged(root: string, acks: ReadonlySet<number>): Promise<void> {
  const { frames, quarantined } = await readBack(root, { largeFrameBytes });
  const numbers = frames.map(({ text }) => JSON.parse(text).n as number);
  assertEquals([new Set(numbers).size, quarantined], [numbers.length, 0]);
  assertEquals([...acks.difference(new Set(numbers))], []);
}

for (const durability of ["fsync", "write"] as const) {
  Deno.test(`kill -9 among large frames loses no acknowledged one, with durability ${durability}`, async () => {
    await using root = await tempDir();
    const random = randomFrom(7);
    const acks = new Set<number>();
    for (let round = 0; round < 8; round++) {
      const enough = Math.floor(random() * 200);
      const { lines, errors } = await runChild({
        root: root.path,
        first: round * 1_000_000,
        seed: round,
        durability,
        largeFrameBytes,
        killWhen: (lines) => lines.length > enough,
      });
      assertEquals(errors, "");
      for (const n of acknowledged(lines)) acks.add(n);
      await assertAcknowledged(root.path, acks);
    }
  });
}

for (const place of ["piece", "piece_written", "piece_fsync", "piece_stored"]) {
  Deno.test(`a process that is killed at journal.${place} loses no acknowledged frame`, async () => {
    await using root = await tempDir();
    const acks = new Set<number>();
    for (const [round, hit] of [1, 3, 5, 8].entries()) {
      const { lines, errors } = await runChild({
        root: root.path,
        first: round * 1_000_000,
        seed: hit,
        largeFrameBytes,
        faults: `journal.${place}:pause:${hit}`,
      });
      assertEquals(errors.trim(), `fault point reached: journal.${place}`);
      for (const n of acknowledged(lines)) acks.add(n);
      await assertAcknowledged(root.path, acks);
    }
  });
  Deno.test(`a process that fails at journal.${place} refuses, and what it refused does not come back`, async () => {
    await using root = await tempDir();
    const faults = `journal.${place}:error:4`;
    const { lines, errors } = await runChild({ root: root.path, first: 0, largeFrameBytes, faults });
    assertEquals([lines.at(-1), errors], ["refused journal_failed", ""]);
    const { frames } = await readBack(root.path, { largeFrameBytes });
    const numbers = frames.map(({ text }) => JSON.parse(text).n as number);
    assertEquals(new Set(numbers), new Set(acknowledged(lines)));
  });
}

Deno.test("a process that is killed while it reads back has changed nothing that matters", async () => {
  await using root = await tempDir();
  const { lines } = await runChild({
    root: root.path,
    first: 0,
    killWhen: (lines) => lines.length > 100,
  });
  const next = await assertAllThere({ root: root.path, first: 0, acks: acknowledged(lines) });
  for (const faults of ["recover.frame:pause:1", "recover.frame:pause:50", "recover.done:pause"]) {
    const { lines, errors } = await runChild({ root: root.path, first: next, faults });
    assertEquals([lines, errors.includes("fault point reached: recover.")], [[], true]);
    assertEquals(await assertAllThere({ root: root.path, first: 0, acks: [] }), next);
  }
});

Deno.test("a process whose fsync fails refuses, and what it refused does not come back", async () => {
  await using root = await tempDir();
  const { lines, errors } = await runChild({ root: root.path, first: 0, faults: "journal.fsync:error:5" });
  assertEquals([lines.at(-1), errors], ["refused journal_failed", ""]);
  const acks = acknowledged(lines);
  const stored = await assertAllThere({ root: root.path, first: 0, acks });
  assertEquals(stored, acks.length);
});

Deno.test("a process that finds the disk full refuses, and what it refused does not come back", async () => {
  await using root = await tempDir();
  for (const place of ["journal.write", "journal.written"]) {
    await using inner = { path: `${root.path}/${place}`, [Symbol.asyncDispose]: () => Promise.resolve() };
    const { lines } = await runChild({ root: inner.path, first: 0, faults: `${place}:enospc:5` });
    assertEquals(lines.at(-1), "refused storage_full");
    const acks = acknowledged(lines);
    assertEquals(await assertAllThere({ root: inner.path, first: 0, acks }), acks.length);
  }
});
