/**
 * What a reporter of Playwright sees of its tests, and how that is said in messages of `testsystem.v1`.
 * @module
 */

import { createHash } from "node:crypto";

/** A place in a file. */
export interface PlaywrightLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A group of tests: the root, a project, a file, or `test.describe`. */
export interface PlaywrightSuite {
  readonly title: string;
  readonly type?: "root" | "project" | "file" | "describe";
  readonly location?: PlaywrightLocation;
  readonly parent?: PlaywrightSuite;
  readonly suites: readonly PlaywrightSuite[];
  readonly tests: readonly PlaywrightTest[];
  allTests(): readonly PlaywrightTest[];
  titlePath(): string[];
  project?(): { readonly name: string } | undefined;
}

/** A test. */
export interface PlaywrightTest {
  readonly id: string;
  readonly title: string;
  readonly location?: PlaywrightLocation;
  readonly parent: PlaywrightSuite;
  readonly tags?: readonly string[];
  readonly retries: number;
  readonly timeout: number;
  readonly expectedStatus?: string;
  readonly annotations?: readonly {
    readonly type: string;
    readonly description?: string;
  }[];
}

/** An error. */
export interface PlaywrightError {
  readonly message?: string;
  readonly stack?: string;
  readonly value?: string;
  readonly location?: PlaywrightLocation;
}

/** A file that a test leaves. */
export interface PlaywrightAttachment {
  readonly name: string;
  readonly contentType: string;
  readonly path?: string;
  readonly body?: Uint8Array;
}

/** One try of a test. */
export interface PlaywrightResult {
  readonly retry: number;
  readonly workerIndex: number;
  readonly startTime: Date;
  readonly duration: number;
  readonly status?: string;
  readonly errors?: readonly PlaywrightError[];
  readonly attachments?: readonly PlaywrightAttachment[];
}

/** A step of a try. */
export interface PlaywrightStep {
  readonly title: string;
  readonly category: string;
  readonly startTime: Date;
  readonly duration: number;
  readonly parent?: PlaywrightStep;
  readonly error?: PlaywrightError;
  readonly location?: PlaywrightLocation;
}

/** A message of `testsystem.v1` in proto3 JSON. */
export type ProtoJson = Readonly<Record<string, unknown>>;

/** With more text than this the plan goes without its tests, which come by themselves. */
const maxPlanCharacters = 4 * 1024 * 1024;
const maxTextCharacters = 65_536;
// deno-lint-ignore no-control-regex -- the escapes that color terminals
const ansiEscape = /\x1b\[[0-9;?]*[A-Za-z]/g;

const suiteTypes: Record<string, string> = {
  root: "ROOT",
  project: "PROJECT",
  file: "FILE",
  describe: "SUBSUITE",
};

const statuses: Record<string, string> = {
  passed: "PASSED",
  failed: "FAILED",
  timedOut: "TIMEDOUT",
  timedout: "TIMEDOUT",
  interrupted: "INTERRUPTED",
  skipped: "SKIPPED",
};

/** Status of a try, or of a run. A test that is meant to fail, and does, has passed. */
export function statusOf(
  status: string | undefined,
  expected?: string,
): string {
  if (status !== undefined && status === expected && status !== "skipped") {
    return "PASSED";
  }
  return statuses[status ?? ""] ?? "UNKNOWN";
}

/** Every suite below the root with its tests, flat, each naming its parent. */
export function planOf(root: PlaywrightSuite, runId: string): ProtoJson[] {
  const suites = suitesBelow(root);
  const whole = suites.map((suite) => suiteMessage(suite, runId, true));
  if (JSON.stringify(whole).length <= maxPlanCharacters) return whole;
  return suites.map((suite) => suiteMessage(suite, runId, false));
}

function suitesBelow(suite: PlaywrightSuite): PlaywrightSuite[] {
  return suite.suites.flatMap((child) => [child, ...suitesBelow(child)]);
}

function suiteMessage(
  suite: PlaywrightSuite,
  runId: string,
  withTests: boolean,
): ProtoJson {
  const { parent } = suite;
  return {
    id: suiteId(suite),
    name: suite.title,
    run_id: runId,
    location: locationText(suite.location),
    type: suiteTypes[suite.type ?? ""] ?? "SUBSUITE",
    ...(parent === undefined || parent.type === "root" ? {} : { parent_suite_id: suiteId(parent) }),
    project: suite.project?.()?.name ?? "",
    status: "NOT_RUN",
    ...(withTests
      ? {
        test_cases: suite.tests.map((test) => ({
          ...testMessage(test, runId),
          status: "NOT_RUN",
        })),
      }
      : {}),
  };
}

/** What is known of a test before it runs. */
export function testMessage(test: PlaywrightTest, runId: string): ProtoJson {
  return {
    id: test.id,
    name: test.title,
    run_id: runId,
    test_suite_id: suiteId(test.parent),
    location: locationText(test.location),
    tags: [...test.tags ?? []],
    timeout: Math.min(test.timeout, 2 ** 31 - 1),
  };
}

/** Tells suites apart: projects and files may hold others of the same title. */
export function suiteId(suite: PlaywrightSuite): string {
  return createHash("sha256").update(JSON.stringify(suite.titlePath())).digest(
    "hex",
  );
}

export function locationText(location: PlaywrightLocation | undefined): string {
  return location === undefined ? "" : `${location.file}:${location.line}:${location.column}`;
}

/** An error as text, without the escapes that color terminals. */
export function errorText({ message, value }: PlaywrightError): string {
  return clean(message ?? value ?? "");
}

/** A text as it is sent: without colors, and not longer than a row may be. */
export function clean(text: string): string {
  return text.replace(ansiEscape, "").slice(0, maxTextCharacters)
    .toWellFormed();
}

/** Proto3 JSON of a Duration. */
export function durationText(ms: number): string {
  return `${(Math.max(0, ms) / 1_000).toFixed(3)}s`;
}

/** The attachment with its bytes when there are few, else without, so that no result is lost with it. */
export function attachmentMessage(
  { name, contentType, path, body }: PlaywrightAttachment,
  maxBytes: number,
): ProtoJson {
  const described = { name: clean(name), mime_type: contentType };
  if (body !== undefined && body.length <= maxBytes) {
    return { ...described, content: base64Of(body) };
  }
  return path === undefined ? described : { ...described, uri: path };
}

function base64Of(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 32_768) {
    text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
  }
  return btoa(text);
}
