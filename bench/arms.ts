/**
 * Starts what is measured: baseline servers, the daemon as users run it, and the load against them.
 * @module
 */

import { TextLineStream } from "@std/streams";
import { type Daemon, type DaemonOptions, startDaemon } from "../tests/support/daemon.ts";
import type { LoadJob, LoadResult } from "./load.ts";

/** A server that takes load. */
export interface Arm extends AsyncDisposable {
  readonly url: string;
}

/** The daemon as an arm, with its data removed at the end. */
export interface WeirArm extends Arm {
  readonly daemon: Daemon;
  /** The sum of a metric over its labels, or over those series that carry all of `labels`. */
  metric(name: string, labels?: Record<string, string>): Promise<number>;
}

const benchFolder = new URL("./", import.meta.url).pathname;
/** Where runs keep their data and raw figures: on the disk of the checkout, as /tmp may be memory. */
export const outFolder = `${benchFolder}out/`;

/** Starts `bench/arms/<name>.ts` and waits until it says where it listens. */
export async function startArm(name: string, args: string[] = []): Promise<Arm> {
  const child = benchProcess(`arms/${name}.ts`, args).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
    .getReader();
  const { value } = await lines.read();
  if (value === undefined) throw new Error(`Cannot start the arm ${name}: it ended at once`);
  return {
    url: JSON.parse(value).url,
    async [Symbol.asyncDispose](): Promise<void> {
      child.kill("SIGKILL");
      await child.status;
      await lines.cancel();
    },
  };
}

/** A server that stores what it gets in one file, which is removed at the end. */
export async function startStoring(name: "naive" | "floor"): Promise<Arm> {
  const folder = await freshFolder();
  const arm = await startArm(name, [`${folder}/events.ndjson`]);
  return {
    url: arm.url,
    async [Symbol.asyncDispose](): Promise<void> {
      await arm[Symbol.asyncDispose]();
      await removeFolder(folder);
    },
  };
}

/** Starts the daemon with its defaults, in a fresh data folder. */
export async function startWeir(options: DaemonOptions = {}): Promise<WeirArm> {
  const folder = await freshFolder();
  const daemon = await startDaemon({ ...options, dataDir: `${folder}/data` });
  return {
    url: daemon.url,
    daemon,
    metric: (name, labels) => readMetric(daemon, name, labels ?? {}),
    async [Symbol.asyncDispose](): Promise<void> {
      await daemon[Symbol.asyncDispose]();
      await removeFolder(folder);
    },
  };
}

/**
 * Runs one load job in a process of its own.
 * @throws Error when it does not end in time
 */
export async function offer(job: LoadJob): Promise<LoadResult> {
  return await runBench(
    "load.ts",
    [JSON.stringify(job)],
    job.warmupMs + job.durationMs + 60_000,
  ) as LoadResult;
}

/** Runs a program of bench/ to its end and returns the JSON that it printed. */
export async function runBench(file: string, args: string[], timeoutMs: number): Promise<unknown> {
  const child = benchProcess(file, args, AbortSignal.timeout(timeoutMs));
  const { success, stdout } = await child.output();
  if (!success) throw new Error(`bench/${file} failed or did not end within ${timeoutMs} ms`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** A folder on the disk of the checkout. */
export async function freshFolder(): Promise<string> {
  await Deno.mkdir(outFolder, { recursive: true });
  return await Deno.makeTempDir({ dir: outFolder, prefix: "data-" });
}

/** Removes a folder and waits for the disk, so that one arm does not pay for the one before. */
export async function removeFolder(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true });
  await new Deno.Command("sync", { stdin: "null" }).output();
}

function benchProcess(file: string, args: string[], signal?: AbortSignal): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-net=127.0.0.1",
      "--allow-read",
      "--allow-write",
      "--allow-env",
      benchFolder + file,
      ...args,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    signal,
  });
}

async function readMetric(daemon: Daemon, name: string, labels: Record<string, string>): Promise<number> {
  const response = await fetch(`${daemon.adminUrl}/metrics`);
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  let sum = 0;
  for (const line of (await response.text()).split("\n")) {
    if (!line.startsWith(`${name} `) && !line.startsWith(`${name}{`)) continue;
    if (wanted.every((label) => line.includes(label))) sum += Number(line.slice(line.lastIndexOf(" ") + 1));
  }
  return sum;
}
