/**
 * What tests of `weir send` share.
 * @module
 */

import { assertEquals } from "@std/assert";
import { sendVerb } from "../../src/cli/send.ts";
import type { Daemon } from "../support/daemon.ts";
import { storedEvents } from "../e2e/track_requests.ts";
import { type RecordingIo, recordingIo } from "./recording_io.ts";

/** A row of this name. */
export function row(name: string): unknown {
  return { type: "track", payload: { name, properties: { __deviceId: "sender" } } };
}

/** So many rows, their names numbered. */
export function rows(prefix: string, count: number): unknown[] {
  return Array.from({ length: count }, (_, i) => row(`${prefix} ${i}`));
}

/** A line each. */
export function ndjson(values: unknown[]): string {
  return values.map((value) => JSON.stringify(value) + "\n").join("");
}

/** What came of a run. */
export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the verb in this process. */
export async function run(args: string[], io: RecordingIo = recordingIo()): Promise<Run> {
  const code = await sendVerb(args, io);
  return { code, out: io.out(), err: io.err() };
}

/** How often each name with this prefix is stored. */
export async function countsOf(daemon: Daemon, prefix: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { name } of await storedEvents(daemon)) {
    const text = name as string;
    if (text.startsWith(prefix)) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

/** So many rows whose names begin so are stored, each once. */
export async function assertStoredOnce(daemon: Daemon, prefix: string, count: number): Promise<void> {
  const counts = await countsOf(daemon, prefix);
  assertEquals(counts.size, count);
  assertEquals([...counts].filter(([, times]) => times !== 1), []);
}
