/**
 * Test runs among the requests of the index: a run is a request whose batches are its events, one each.
 * @module
 */

import { createHash } from "node:crypto";

/** The session under which all runs of a project stand. */
export const runSession = "runs";

/** Under this name a project's runs stand in the index and in the catalog: no app that can send has a name like it. */
export function runOwner(project: string): string {
  return `\n${project}`;
}

/** Is this a name that {@link runOwner} gives? */
export function isRunOwner(app: string): boolean {
  return app.startsWith("\n");
}

/** The project of such a name. */
export function projectOf(owner: string): string {
  return owner.slice(1);
}

/**
 * What tells an event from the others of its run: the first 53 bits of SHA-256 over its id, never 0. Two of 100,000
 * ids agree once in two million runs.
 */
export function eventHash(id: string): number {
  const digest = createHash("sha256").update(id).digest();
  return digest.readUInt32BE(0) * 0x20_0000 + (digest.readUInt32BE(4) >>> 11) || 1;
}

/** What a test event can tell (contract `test_events`, Decision 1). */
export const testEventTypes = [
  "run.start",
  "run.end",
  "suite.begin",
  "suite.end",
  "test.begin",
  "test.end",
  "step.begin",
  "step.end",
  "test.failure",
  "test.error",
  "stdout",
  "stderr",
  "heartbeat",
] as const;

/** One of {@link testEventTypes}. */
export type TestEventType = (typeof testEventTypes)[number];

/** An event as it is stored: the members that the daemon writes, then the message as it was sent. */
export interface StoredTestEvent {
  /** Position among all events of the run, by arrival, from 0. */
  readonly n: number;
  readonly id: string;
  /** The sender's own counter. */
  readonly seq?: number;
  readonly type: TestEventType;
  readonly run_id: string;
  /** Which of the run's executions sent it, where it says so. */
  readonly execution_id?: string;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** The proto message in proto3 JSON, names in snake_case or lowerCamelCase. */
  readonly data: unknown;
}
