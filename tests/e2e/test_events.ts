/**
 * What the end-to-end tests of test events have in common.
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Daemon } from "../support/daemon.ts";
import { type Reply, send } from "../support/http.ts";

/** A row of the batch. */
export interface Row {
  readonly id: string;
  readonly seq?: number;
  readonly type: string;
  readonly runId: string;
  readonly executionId?: string;
  readonly time?: number | string;
  readonly data?: unknown;
}

/** An event as `/events` gives it. */
export interface ReadRow {
  readonly n: number;
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  // deno-lint-ignore no-explicit-any -- looked into as a client would
  readonly data: any;
}

/** Where the methods are served. */
export const servicePath = "/testsystem.v1.observer.TestEventCollector";

/** Rows of run `r`, numbered from 1 and named by their number. */
export function rowsOf(runId: string, events: readonly (readonly [type: string, data: unknown])[]): Row[] {
  return events.map(([type, data], i) => ({ id: `e${i + 1}`, seq: i + 1, type, runId, data }));
}

/** The events of a run with tests of some steps each. */
export function wholeRun(runId: string, size: { tests: number; steps: number }): Row[] {
  const events: [string, unknown][] = [["run.start", { run_id: runId, total_tests: size.tests, name: "n" }]];
  for (let test = 0; test < size.tests; test++) {
    const id = `t${test}`;
    events.push(["test.begin", { test_case: { id, run_id: runId, status: "RUNNING" } }]);
    for (let step = 0; step < size.steps; step++) {
      const message = { step: { id: `s${step}`, test_case_id: id, run_id: runId } };
      events.push(["step.begin", message], ["step.end", message]);
    }
    events.push(["test.end", { test_case: { id, run_id: runId, status: "PASSED" } }]);
  }
  events.push(["run.end", { run_id: runId, final_status: "PASSED", duration: "3s" }]);
  return rowsOf(runId, events);
}

/** Posts rows, at most 2000 at a time; each must be accepted. */
export async function postAll(daemon: Daemon, rows: readonly Row[]): Promise<void> {
  for (let at = 0; at < rows.length; at += 2_000) {
    const some = rows.slice(at, at + 2_000);
    const { status, json } = await post(daemon, some);
    assertEquals([status, json], [202, { accepted: some.length, rejected: [] }]);
  }
}

/** Posts rows. */
export function post(
  daemon: Daemon,
  events: readonly unknown[],
  headers: Record<string, string> = {},
): Promise<Reply> {
  return send(`${daemon.url}/v1/test-events/batch`, { events }, { headers });
}

// deno-lint-ignore no-explicit-any -- see above
export async function readRun(daemon: Daemon, id: string): Promise<any> {
  const { status, json } = await send(`${daemon.url}/v1/test-runs/${encodeURIComponent(id)}`);
  assertEquals(status, 200);
  return json;
}

/** The events of a run. */
export async function readEvents(daemon: Daemon, id: string): Promise<ReadRow[]> {
  const { status, text } = await send(`${daemon.url}/v1/test-runs/${encodeURIComponent(id)}/events`);
  assertEquals(status, 200);
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

export async function flush(daemon: Daemon): Promise<void> {
  assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
}

/** Looks at something as it is, after a crash, and after a flush. */
export async function throughAll(daemon: Daemon, look: () => Promise<void>): Promise<void> {
  await look();
  await daemon.restart();
  await look();
  await flush(daemon);
  await look();
}
