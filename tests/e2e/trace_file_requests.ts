/**
 * What tests of trace files send, and what they look at.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Daemon } from "../support/daemon.ts";
import { type Reply, send, type SendOptions } from "../support/http.ts";
import { filesBelow } from "../support/parts.ts";

/** One file's part of a reply to a batch. */
export interface FileResult {
  readonly index: number;
  readonly fileName: string;
  readonly success: boolean;
  readonly filePath?: string;
  readonly size?: number;
  readonly bytesWritten?: number;
  readonly error?: string;
  readonly code?: string;
}

/** Any reply of these routes. */
export interface FileReply {
  readonly success: boolean;
  readonly partial?: boolean;
  readonly summary?: Record<string, number>;
  readonly successCount?: number;
  readonly failureCount?: number;
  readonly totalSize?: number;
  readonly results: FileResult[];
  readonly path?: string;
  readonly size?: number;
  readonly error?: string;
  readonly details?: unknown;
  readonly code?: string;
  readonly directory?: string;
  readonly count?: number;
  readonly message?: string;
  readonly files: { name: string; size: number; modified: string; created: string }[];
}

/** A reply with its body as what it should be. */
export type Answer = Omit<Reply, "json"> & { readonly json: FileReply };

/** POST /api/traces/write-batch. */
export function writeBatch(daemon: Daemon, body?: unknown, options: SendOptions = {}): Promise<Answer> {
  return post(daemon, "/api/traces/write-batch", body, options);
}

/** POST /api/traces/write. */
export function writeOne(daemon: Daemon, body?: unknown, options: SendOptions = {}): Promise<Answer> {
  return post(daemon, "/api/traces/write", body, options);
}

async function post(daemon: Daemon, path: string, body: unknown, options: SendOptions): Promise<Answer> {
  return await send(daemon.url + path, body, { method: "POST", ...options }) as Answer;
}

/** GET /api/traces/list. */
export async function list(daemon: Daemon, directory?: string): Promise<Answer> {
  const query = directory === undefined ? "" : `?${new URLSearchParams({ directory })}`;
  return await send(`${daemon.url}/api/traces/list${query}`) as Answer;
}

/** The text of a file below the root; undefined when there is none. */
export async function read(daemon: Daemon, path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(`${daemon.dataDir}/files/${path}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Everything below a folder with what it is: `d`, `f` with size, time and content, `l` with its target. */
export async function snapshot(
  folder: string,
  skip: (path: string) => boolean = () => false,
): Promise<string[]> {
  const lines: string[] = [];
  const walk = async (path: string): Promise<void> => {
    for await (const { name, isDirectory, isSymlink, isFile } of Deno.readDir(path)) {
      const below = `${path}/${name}`;
      if (skip(below)) continue;
      if (isSymlink) lines.push(`l ${below} ${await Deno.readLink(below)}`);
      else if (isDirectory) {
        lines.push(`d ${below}`);
        await walk(below);
      } else if (isFile) {
        const { mtime, ino } = await Deno.stat(below);
        lines.push(`f ${below} ${ino} ${mtime?.getTime()} ${await Deno.readTextFile(below)}`);
      }
    }
  };
  await walk(folder);
  return lines.sort();
}

/** Every file below the root. */
export function written(daemon: Daemon): Promise<string[]> {
  return filesBelow(`${daemon.dataDir}/files`, ".");
}

/** Is it this error, in the form that all errors of the dialect have? */
export function assertRefused(
  { status, json }: Answer,
  expected: { status: number; code: string; error?: string },
): void {
  assertEquals(
    [status, json.success, json.code],
    [expected.status, false, expected.code],
    JSON.stringify(json),
  );
  assert(typeof json.error === "string" && json.error !== "" && json.details !== undefined);
  if (expected.error !== undefined) assertEquals(json.error, expected.error);
}
