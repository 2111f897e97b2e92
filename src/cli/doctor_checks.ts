/**
 * What `weir doctor` looks at, one function a subject.
 * @module
 */

import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Clock } from "../base/clock.ts";
import { describeError } from "../base/log.ts";
import { version } from "../base/version.ts";
import { CatalogError, checkWhole } from "../catalog/schema.ts";
import type { Config } from "../config/schema.ts";
import { catalogPath, journalDir, lockPath } from "../flush/layout.ts";
import { listQuarantine } from "../flush/quarantine_limits.ts";
import { listSegments, segmentPath } from "../journal/segment.ts";
import { pingRedis } from "./redis_ping.ts";

/** What was found. */
export interface Finding {
  readonly check: string;
  readonly state: "ok" | "warn" | "fail";
  readonly text: string;
}

const leastDeno = [2, 9, 6];
const permissionNames = ["net", "read", "write", "env"] as const;
const sysKinds = ["hostname", "osRelease", "statfs", "systemMemoryInfo"] as const;
const miB = 1024 ** 2;
const probes = 9;
/** Above this, a group of requests waits long enough for its fsync to be felt. */
const slowSyncMs = 20;
/** The year 2026: a clock before this was never set. */
const leastTime = Date.UTC(2026, 0);
const skewMs = 5_000;
const askMs = 3_000;
/** A catalog up to this size is read as a whole. */
const maxCheckedBytes = 1024 * miB;

/** Weir, Deno and SQLite. */
export function checkVersions(): Finding[] {
  const { deno, v8 } = Deno.version;
  const parts = deno.split(/[.-]/).map(Number);
  const firstOther = leastDeno.findIndex((least, i) => parts[i] !== least);
  const isOld = firstOther >= 0 && parts[firstOther] < leastDeno[firstOther];
  using database = new DatabaseSync(":memory:");
  const { sqlite } = database.prepare("SELECT sqlite_version() AS sqlite").get() as { sqlite: string };
  const text = `weir ${version}, deno ${deno}, v8 ${v8}, sqlite ${sqlite}, ${Deno.build.target}`;
  if (!isOld) return [{ check: "versions", state: "ok", text }];
  return [{
    check: "versions",
    state: "fail",
    text: `${text}: deno must be ${leastDeno.join(".")} or newer`,
  }];
}

/** What the start task asks Deno for. */
export async function checkPermissions(): Promise<Finding[]> {
  const missing: string[] = [];
  for (const name of permissionNames) {
    if ((await Deno.permissions.query({ name })).state !== "granted") missing.push(name);
  }
  for (const kind of sysKinds) {
    if ((await Deno.permissions.query({ name: "sys", kind })).state !== "granted") {
      missing.push(`sys=${kind}`);
    }
  }
  if (missing.length === 0) return [{ check: "permissions", state: "ok", text: "all that the daemon needs" }];
  return [{ check: "permissions", state: "fail", text: `not granted: ${missing.join(", ")}` }];
}

/** Is the folder there, whose is it, and is what lies in it whole? */
export async function checkDataDir(dataDir: string): Promise<Finding[]> {
  const check = "data_dir";
  try {
    const { isDirectory } = await Deno.stat(dataDir);
    if (!isDirectory) return [{ check, state: "fail", text: `${dataDir} is no folder` }];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      return [{ check, state: "fail", text: describeError(error) }];
    }
    return [{ check, state: "ok", text: `${dataDir} is not there yet: the first start makes it` }];
  }
  const holder = await holderOf(dataDir);
  const journal = await journalSize(dataDir);
  const text = `${dataDir}: ${holder}; journal: ${journal.segments} segments, ${inMiB(journal.bytes)}`;
  return [{ check, state: "ok", text }, ...await checkCatalog(dataDir)];
}

/** Says what lies in quarantine, where anything does. */
export function checkQuarantine(dataDir: string): Finding[] {
  const files = listQuarantine(dataDir);
  if (files.length === 0) return [];
  const bytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const latest = new Date(files[files.length - 1].since).toISOString();
  const text =
    `${files.length} damaged files lie in quarantine/, ${inMiB(bytes)}, the latest since ${latest}: ` +
    "see docs/files.md, and remove what nobody needs";
  return [{ check: "quarantine", state: "warn", text }];
}

async function checkCatalog(dataDir: string): Promise<Finding[]> {
  const check = "catalog";
  const path = catalogPath(dataDir);
  try {
    const { size } = await Deno.stat(path);
    if (size > maxCheckedBytes) {
      return [{ check, state: "ok", text: `${inMiB(size)}: too large to be read here` }];
    }
    checkWhole(path);
    return [{ check, state: "ok", text: `${inMiB(size)}, whole` }];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [{ check, state: "ok", text: "not there yet" }];
    if (!(error instanceof CatalogError)) throw error;
    const state = error.reason === "newer" ? "fail" : "warn";
    return [{ check, state, text: `${error.message}; a start makes a damaged one anew from the parts` }];
  }
}

/** Room, and how long it takes until a small write is on the disk. */
export async function checkDisk({ data_dir: dataDir, disk }: Config): Promise<Finding[]> {
  const folder = await nearestFolder(dataDir);
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const room: Finding = {
    check: "disk",
    state: free < disk.min_free_bytes ? "fail" : free < 10 * disk.min_free_bytes ? "warn" : "ok",
    text: `${inMiB(free)} free; below ${inMiB(disk.min_free_bytes)} (disk.min_free_bytes) nothing is taken`,
  };
  try {
    const ms = await syncTimes(folder);
    const [median, worst] = [ms[probes >> 1], ms[probes - 1]];
    const state = median > slowSyncMs ? "warn" : "ok";
    const text = `a write is on the disk after ${median.toFixed(2)} ms (median of ${probes}), ${
      worst.toFixed(2)
    } at worst`;
    return [room, { check: "fsync", state, text }];
  } catch (error) {
    return [room, {
      check: "fsync",
      state: "fail",
      text: `cannot write to ${folder}: ${describeError(error)}`,
    }];
  }
}

/** Was the clock set, and does nothing in the folder come from its future? */
export async function checkClock(dataDir: string, clock: Clock): Promise<Finding[]> {
  const check = "clock";
  const now = clock.now();
  const text = new Date(now).toISOString();
  if (now < leastTime) return [{ check, state: "fail", text: `${text}: it was never set` }];
  let newest = 0;
  try {
    const dir = journalDir(dataDir);
    for (const segment of (await listSegments(dir)).segments) {
      newest = Math.max(newest, (await Deno.stat(segmentPath(dir, segment))).mtime?.getTime() ?? 0);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (newest <= now + skewMs) return [{ check, state: "ok", text }];
  const ahead = Math.round((newest - now) / 1000);
  return [{
    check,
    state: "warn",
    text: `${text}: the journal was written ${ahead} s later than this: it went back`,
  }];
}

/** Does Redis answer? */
export async function checkRedis(url: string): Promise<Finding[]> {
  const check = "redis";
  if (url === "") return [{ check, state: "ok", text: "not configured: the daemon works by itself" }];
  try {
    const { version, ms } = await pingRedis(url, askMs);
    return [{ check, state: "ok", text: `redis ${version}, answers in ${ms.toFixed(2)} ms` }];
  } catch (error) {
    return [{ check, state: "fail", text: `no answer: ${describeError(error)}` }];
  }
}

/** The daemon on the configured ports, if there is one. */
export async function checkDaemon({ admin, server }: Config): Promise<Finding[]> {
  const check = "daemon";
  const host = admin.host.includes(":") ? `[${admin.host}]` : admin.host;
  try {
    const reply = await fetch(`http://${host}:${admin.port}/healthz`, { signal: AbortSignal.timeout(askMs) });
    const text = await reply.text();
    const health = JSON.parse(text) as {
      status?: string;
      version?: string;
      checks?: { name: string; state: string; reason?: string }[];
    };
    const bad = (health.checks ?? []).filter(({ state }) => state !== "ok");
    const state = health.status === "ok" ? "ok" : health.status === "degraded" ? "warn" : "fail";
    const reasons = bad.map(({ name, state, reason }) => `${name} ${state}${reason ? `: ${reason}` : ""}`);
    const findings: Finding[] = [{
      ...{ check, state, text: [`weir ${health.version}: ${health.status}`, ...reasons].join("; ") },
    }];
    const skew = Date.parse(reply.headers.get("date") ?? "") - Date.now();
    if (Math.abs(skew) > skewMs) {
      findings.push({ check, state: "warn", text: `its clock is ${Math.round(skew / 1000)} s off this one` });
    }
    return findings;
  } catch (error) {
    const isSilent = error instanceof TypeError;
    const text = isSilent
      ? `none answers on port ${admin.port} (admin.port); clients would find one on ${server.port}`
      : `what answers on port ${admin.port} is no daemon: ${describeError(error)}`;
    return [{ check, state: isSilent ? "ok" : "fail", text }];
  }
}

async function holderOf(dataDir: string): Promise<string> {
  try {
    using file = await Deno.open(lockPath(dataDir));
    return await file.tryLock(true) ? "no daemon runs on it" : "a daemon runs on it";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "never used";
    throw error;
  }
}

async function journalSize(dataDir: string): Promise<{ segments: number; bytes: number }> {
  const dir = journalDir(dataDir);
  try {
    const { segments } = await listSegments(dir);
    let bytes = 0;
    for (const segment of segments) bytes += (await Deno.stat(segmentPath(dir, segment))).size;
    return { segments: segments.length, bytes };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { segments: 0, bytes: 0 };
  }
}

/** The folder itself, or the nearest above it that is there. */
async function nearestFolder(path: string): Promise<string> {
  for (let folder = path;; folder = join(folder, "..")) {
    try {
      if ((await Deno.stat(folder)).isDirectory) return folder;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** Times of small synced writes, ascending, in ms. */
async function syncTimes(folder: string): Promise<number[]> {
  const path = await Deno.makeTempFile({ dir: folder, prefix: ".weir-doctor-" });
  try {
    using file = await Deno.open(path, { write: true });
    const times: number[] = [];
    for (let i = 0; i < probes; i++) {
      const start = performance.now();
      await file.write(new Uint8Array(4096));
      await file.syncData();
      times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b);
  } finally {
    await Deno.remove(path);
  }
}

function inMiB(bytes: number): string {
  return `${(bytes / miB).toFixed(bytes < 100 * miB ? 1 : 0)} MiB`;
}
