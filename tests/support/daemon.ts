/**
 * The daemon as a real process: started, watched, killed and started again.
 * @module
 */

import {
  type DaemonProcess,
  launchDaemon,
  type LogLine,
  ownEnv,
  repositoryRoot,
  startFlags,
  type WaitOptions,
} from "./daemon_process.ts";
import { tempDir } from "./temp.ts";

export type { LogLine, WaitOptions } from "./daemon_process.ts";

/** How {@link startDaemon} starts it. */
export interface DaemonOptions {
  /** The configuration file's content; an object is written as JSON, which is YAML. @default no file */
  config?: Record<string, unknown> | string;
  /** Added to the environment; `WEIR_*` of the test's own environment is never passed on. */
  env?: Record<string, string>;
  /** @default a temporary folder, removed at the end */
  dataDir?: string;
  /** Further flags after `serve`. */
  args?: string[];
  /** Where it listens, such as the port of an earlier start. @default a free one */
  port?: number;
  /**
   * What to wait for: the process only, both listeners, or readiness. Where a planned fault stops the start,
   * only `spawned` returns.
   * @default "ready"
   */
  until?: "spawned" | "listening" | "ready";
}

/** A running daemon. Addresses and pid are those of the latest start. */
export interface Daemon extends AsyncDisposable {
  /** Such as `http://127.0.0.1:41234`; "" until it listens. */
  readonly url: string;
  /** The admin listener; "" until it listens. */
  readonly adminUrl: string;
  readonly dataDir: string;
  readonly pid: number;
  /** Every line since the first start. */
  logs(): LogLine[];
  /**
   * The first line with this message (or that `matches`) since the latest start; it may have come already.
   * @throws Error when the process ends first, or after `timeoutMs`
   */
  waitForLog(matches: string | ((line: LogLine) => boolean), options?: WaitOptions): Promise<LogLine>;
  /** SIGKILL: nothing is flushed, no handler runs. Resolves once the process is gone. */
  kill9(): Promise<void>;
  /** SIGTERM (or another), and the exit code; 128 + n where signal n ended it. */
  stop(signal?: Deno.Signal): Promise<number>;
  /** The exit code, once it ends by itself. */
  exit(): Promise<number>;
  signal(name: Deno.Signal): void;
  /** Ends what still runs (SIGKILL) and starts again with the same data_dir; `options` replace the first ones. */
  restart(options?: Omit<DaemonOptions, "dataDir">): Promise<void>;
  /** Resident memory at this moment, KiB. Linux only. */
  rssKb(): Promise<number>;
  /** Highest resident memory since the process started, KiB. Linux only. */
  peakRssKb(): Promise<number>;
}

/**
 * Starts `main.ts serve` on free ports, with the permissions of the start task.
 * @throws Error with the daemon's own log lines, when it ends or is not ready in time
 */
export async function startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const scratch = await tempDir();
  const dataDir = options.dataDir ?? `${scratch.path}/data`;
  const lines: LogLine[] = [];
  const launchFrom = async (chosen: DaemonOptions): Promise<DaemonProcess> => {
    const args = await serveArgs({ ...chosen, dataDir }, scratch.path);
    return await launchDaemon({ args, env: chosen.env ?? {}, cwd: scratch.path, lines });
  };
  let running = await launchFrom(options);

  const dispose = async (): Promise<void> => {
    await running.kill9();
    await scratch[Symbol.asyncDispose]();
  };
  try {
    await running.reached(options.until ?? "ready");
  } catch (error) {
    await dispose();
    throw error;
  }

  return {
    get url() {
      return addressOf(lines, running.firstLine, "Listening");
    },
    get adminUrl() {
      return addressOf(lines, running.firstLine, "Admin listening");
    },
    get pid() {
      return running.pid;
    },
    dataDir,
    logs: () => [...lines],
    waitForLog: (matches, wait) => running.waitForLog(matches, wait),
    kill9: () => running.kill9(),
    stop: (signal = "SIGTERM") => running.stop(signal),
    exit: () => running.exit(),
    signal: (name) => running.signal(name),
    async restart(changed: Omit<DaemonOptions, "dataDir"> = options): Promise<void> {
      await running.kill9();
      running = await launchFrom(changed);
      await running.reached(changed.until ?? "ready");
    },
    rssKb: () => memoryKb(running.pid, "VmRSS"),
    peakRssKb: () => memoryKb(running.pid, "VmHWM"),
    [Symbol.asyncDispose]: dispose,
  };
}

/** What a verb of the command line printed. */
export interface WeirRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs `main.ts` with these arguments to its end, with the permissions of the start task.
 * @param options.cwd @default the root of the repository
 */
export async function runWeir(
  args: string[],
  options: { env?: Record<string, string>; cwd?: string } = {},
): Promise<WeirRun> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...await startFlags(), `${repositoryRoot}main.ts`, ...args],
    cwd: options.cwd ?? repositoryRoot,
    clearEnv: true,
    env: { ...ownEnv(), ...options.env },
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

async function serveArgs(options: DaemonOptions & { dataDir: string }, scratch: string): Promise<string[]> {
  const args = ["--port", String(options.port ?? 0), "--admin-port", "0", "--data-dir", options.dataDir];
  if (options.config !== undefined) {
    const file = `${scratch}/weir.yaml`;
    const text = typeof options.config === "string" ? options.config : JSON.stringify(options.config);
    await Deno.writeTextFile(file, text);
    args.push("--config", file);
  }
  return [...args, ...options.args ?? []];
}

function addressOf(lines: LogLine[], from: number, message: string): string {
  const line = lines.slice(from).find((line) => line.message === message);
  return line ? `http://${line.address}` : "";
}

/** A figure of /proc/<pid>/status. Read through `cat`, because Deno opens /proc only with all permissions. */
async function memoryKb(pid: number, field: "VmRSS" | "VmHWM"): Promise<number> {
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/status`], stdin: "null" }).output();
  const found = new TextDecoder().decode(stdout).match(new RegExp(`${field}:\\s+(\\d+) kB`));
  if (!found) throw new Error(`Cannot read ${field} of process ${pid}: is it still running?`);
  return Number(found[1]);
}
