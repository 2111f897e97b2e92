/**
 * What the journal's tests share: frames, journals in folders of their own, and a disk that fails when told to.
 * @module
 */

import type { WeirError } from "../../src/base/errors.ts";
import { systemClock } from "../../src/base/clock.ts";
import { createLog, type Log } from "../../src/base/log.ts";
import { createMetrics, type Metrics } from "../../src/base/metrics.ts";
import { frameHeaderBytes } from "../../src/base/record.ts";
import { type Frame, Journal, type JournalOptions } from "../../src/journal/append.ts";
import { diskFiles, type JournalFiles, type SegmentFile } from "../../src/journal/files.ts";
import { type Recovered, recoverJournal } from "../../src/journal/recover.ts";
import { type JournalPosition, sealFrame } from "../../src/journal/segment.ts";

/** What is known of a frame that was appended. */
export interface Tracked extends Frame {
  readonly text: string;
  at?: JournalPosition;
  error?: WeirError;
}

/** Header room and this text. */
export function frameBytes(text: string): Uint8Array<ArrayBuffer> {
  const payload = new TextEncoder().encode(text);
  const bytes = new Uint8Array(frameHeaderBytes + payload.length);
  bytes.set(payload, frameHeaderBytes);
  return bytes;
}

/** A frame as it lies on disk. */
export function sealed(text: string): Uint8Array<ArrayBuffer> {
  const bytes = frameBytes(text);
  sealFrame(bytes);
  return bytes;
}

/** A frame that notes what became of it, in `events` too where given. */
export function trackedFrame(text: string, events: string[] = []): Tracked {
  return {
    text,
    bytes: frameBytes(text),
    placed(at): void {
      this.at = at;
      events.push(`placed ${text.trim()}`);
    },
    released(error): void {
      this.error = error;
      events.push(`released ${text.trim()}`);
    },
  };
}

/** One record line, `padding` characters longer than it must be. */
export function line(n: number, padding = 0): string {
  return `{"n":${n}${padding > 0 ? `,"pad":"${"x".repeat(padding)}"` : ""}}\n`;
}

/** A log that keeps its lines. */
export function memoryLog(): { log: Log; lines: { level: string; message: string }[] } {
  const lines: { level: string; message: string }[] = [];
  const write = (text: string): void => void lines.push(JSON.parse(text));
  return { log: createLog({ clock: systemClock, level: "debug", write }), lines };
}

/** A journal with a log and metrics of its own. */
export async function openJournal(
  dir: string,
  options: Partial<JournalOptions> = {},
): Promise<{ journal: Journal; metrics: Metrics; lines: { level: string; message: string }[] }> {
  const { log, lines } = memoryLog();
  const metrics = options.metrics ?? createMetrics();
  const journal = await Journal.open({
    dir,
    durability: "fsync",
    segmentBytes: 64 * 1024 * 1024,
    firstSegment: 1,
    clock: systemClock,
    log,
    metrics,
    ...options,
  });
  return { journal, metrics, lines };
}

/** What reading a journal back gave. */
export interface ReadBack extends Recovered {
  readonly frames: { at: JournalPosition; text: string }[];
  readonly lines: { level: string; message: string }[];
  readonly metrics: Metrics;
}

/** Reads the journal in `<root>/journal` back; damage goes to `<root>/quarantine`. */
export async function readBack(
  root: string,
  { fromSegment, largeFrameBytes }: { fromSegment?: number; largeFrameBytes?: number } = {},
): Promise<ReadBack> {
  const { log, lines } = memoryLog();
  const metrics = createMetrics();
  const frames: ReadBack["frames"] = [];
  const recovered = await recoverJournal({
    dir: `${root}/journal`,
    quarantineDir: `${root}/quarantine`,
    fromSegment,
    largeFrameBytes,
    log,
    metrics,
    onFrame: (at, payload) => void frames.push({ at, text: new TextDecoder().decode(payload) }),
  });
  return { ...recovered, frames, lines, metrics };
}

/** The value of a counter or gauge without labels. */
export async function metricValue(metrics: Metrics, name: string): Promise<number> {
  const metric = await metrics.registry.getSingleMetric(name)!.get();
  return metric.values[0]?.value ?? 0;
}

/** The names in a folder, sorted; none where there is no folder. */
export async function namesIn(dir: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(dir), (entry) => entry.name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

type Step = "create" | "write" | "syncData" | "sync" | "truncate" | "syncDirectory";

/**
 * The real disk, except that `before` runs ahead of each step and may throw or wait, and that a write takes at most
 * `mostPerWrite` bytes.
 */
export class BrittleDisk implements JournalFiles {
  /** Called ahead of each step; `path` is that of the file, or of the directory. */
  before: (step: Step, path: string) => void | Promise<void> = () => {};
  mostPerWrite = Infinity;
  readonly counts: Partial<Record<Step, number>> = {};

  async create(path: string): Promise<SegmentFile> {
    await this.#step("create", path);
    const file = await diskFiles.create(path);
    const step = (name: Step): Promise<void> => this.#step(name, path);
    const most = (): number => this.mostPerWrite;
    return {
      async write(bytes): Promise<number> {
        await step("write");
        return await file.write(bytes.subarray(0, most()));
      },
      async syncData(): Promise<void> {
        await step("syncData");
        await file.syncData();
      },
      async sync(): Promise<void> {
        await step("sync");
        await file.sync();
      },
      async truncate(length): Promise<void> {
        await step("truncate");
        await file.truncate(length);
      },
      close: () => file.close(),
    };
  }

  remove(path: string): Promise<void> {
    return diskFiles.remove(path);
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#step("syncDirectory", path);
    await diskFiles.syncDirectory(path);
  }

  async #step(name: Step, path: string): Promise<void> {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    await this.before(name, path);
  }
}

/** An error as the system raises it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code} (rehearsed)`), { code });
}
