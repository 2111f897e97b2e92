/**
 * `weir send FILE|-`: posts a file of rows to a running daemon, in batches, and can go on where it stopped.
 * @module
 */

import { describeError } from "../base/log.ts";
import { describeFlags, type FlagSpecs, parseFlags, reportFailure, UsageError } from "./flags.ts";
import type { CliIo } from "./io.ts";
import type { RowBatch } from "./send_batch.ts";
import { DeliveryError, postBatch, type Target, type Verdict } from "./send_post.ts";
import { Progress } from "./send_progress.ts";
import { openSource, type RowFile, SourceError } from "./send_source.ts";
import { StateFile } from "./send_state.ts";

const flagSpecs = {
  url: { value: "URL", text: "The daemon (http://127.0.0.1:7400)" },
  "client-id": { value: "ID", text: "Sent as openpanel-client-id" },
  "client-secret": {
    value: "TEXT",
    text: "Sent as openpanel-client-secret; better: SEND_CLIENT_SECRET in the environment",
  },
  batch: { value: "N", text: "Rows a request, 1 to 2000 (500)" },
  retries: { value: "N", text: "How many times a batch is tried again, with growing pauses (6)" },
  rejects: { value: "FILE", text: "Write refused rows there, one line each: row, reason, error" },
  restart: { text: "Forget how far an earlier run came" },
} as const satisfies FlagSpecs;

const usage = `Usage: weir send FILE|- [flags]

Posts the rows of a file (JSON array, {"events":[...]} or NDJSON) to /track/batch.
Run again after it was interrupted, it goes on where it stopped: FILE.weir-sent
remembers how far it came. Rows count from 0.

Exit code: 0 when every row was taken, 1 when some were refused, 64 for a wrong
command line, 66 when the file cannot be read, 69 when not all could be delivered,
130 when it was interrupted.

${describeFlags(flagSpecs)}`;

const exits = { taken: 0, refused: 1, unreadable: 66, undelivered: 69, interrupted: 130 } as const;

interface SendOptions {
  readonly path: string;
  readonly target: Omit<Target, "fileId" | "signal">;
  readonly batchRows: number;
  readonly rejects: string | undefined;
  readonly restart: boolean;
}

/** Runs the verb. */
export async function sendVerb(args: string[], io: CliIo): Promise<number> {
  try {
    const options = readOptions(args, io);
    if (options !== undefined) return await sendFile(options, io);
    io.stdout(usage);
    return exits.taken;
  } catch (error) {
    return reportFailure(error, io);
  }
}

/** @returns undefined when only the usage is asked for */
function readOptions(args: string[], io: CliIo): SendOptions | undefined {
  const { values, on, operands } = parseFlags(args, flagSpecs);
  if (on.has("help")) return undefined;
  if (operands.length !== 1) throw new UsageError("send needs one file, or - for standard input");
  const { url = "http://127.0.0.1:7400" } = values;
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new UsageError(`--url must be an http address: current value is ${url}`);
  }
  const secret = values["client-secret"] ?? io.env.SEND_CLIENT_SECRET;
  const headers = Object.entries({
    "content-type": "application/json",
    "openpanel-client-id": values["client-id"],
    "openpanel-client-secret": secret,
  }).filter((header): header is [string, string] => Boolean(header[1]));
  return {
    path: operands[0],
    target: {
      url: new URL("track/batch", url.endsWith("/") ? url : `${url}/`),
      headers: Object.fromEntries(headers),
      retries: numberOf("retries", values.retries, { fallback: 6, min: 0, max: 100 }),
    },
    batchRows: numberOf("batch", values.batch, { fallback: 500, min: 1, max: 2_000 }),
    rejects: values.rejects,
    restart: on.has("restart"),
  };
}

function numberOf(
  flag: string,
  text: string | undefined,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): number {
  if (text === undefined) return fallback;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${flag} must be ${min} to ${max}: current value is ${text}`);
}

async function sendFile(options: SendOptions, io: CliIo): Promise<number> {
  try {
    using file = await openSource(options.path);
    return await sendRows(file, options, io);
  } catch (error) {
    const isUnreadable = error instanceof SourceError || error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.PermissionDenied;
    if (!isUnreadable) throw error;
    const reason = error instanceof SourceError ? error.message : describeError(error);
    io.stderr(`Cannot read the rows: ${reason}\n`);
    return exits.unreadable;
  }
}

async function sendRows(file: RowFile, options: SendOptions, io: CliIo): Promise<number> {
  const state = new StateFile(file, io.stderr);
  if (options.restart) await state.clear();
  const before = await state.read();
  const { rows: skip, rejected: refusedBefore, batchRows } = before ??
    { rows: 0, rejected: 0, batchRows: options.batchRows };
  if (before !== undefined) io.stderr(`Going on after ${skip} rows, ${batchRows} a request\n`);
  using rejects = options.rejects === undefined
    ? undefined
    : new RejectsFile(options.rejects, { append: before !== undefined });
  // A later run cannot go on with standard input: there is nothing to tidy up for it.
  using interrupt = new Interrupt(file.path === undefined ? [] : ["SIGINT", "SIGTERM"]);
  const target: Target = { ...options.target, fileId: file.id, signal: interrupt.signal };
  const progress = new Progress({ io, totalBytes: file.size });
  try {
    for await (const batch of file.batches({ skip, batchRows })) {
      const verdict = await postBatch(batch, target);
      rejects?.add(batch, verdict);
      progress.add(batch, verdict);
      const rows = batch.firstRow + batch.rows;
      await state.note({ rows, rejected: refusedBefore + progress.rejected, batchRows });
    }
  } catch (error) {
    await state.save();
    progress.end();
    if (!(error instanceof DeliveryError)) throw error;
    io.stderr(
      `Stopped after ${skip + progress.rows} rows: ${error.message}\nRun the same command again to go on\n`,
    );
    return interrupt.signal.aborted ? exits.interrupted : exits.undelivered;
  }
  progress.end();
  await state.clear();
  return refusedBefore + progress.rejected > 0 ? exits.refused : exits.taken;
}

/** The first signal is told, so that the run can end well; a second one ends the process as it is. */
class Interrupt implements Disposable {
  readonly #names: Deno.Signal[];
  readonly #controller = new AbortController();
  readonly #heard = (): void => {
    this[Symbol.dispose]();
    this.#controller.abort();
  };

  constructor(names: Deno.Signal[]) {
    this.#names = names;
    for (const name of names) Deno.addSignalListener(name, this.#heard);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const name of this.#names) Deno.removeSignalListener(name, this.#heard);
  }
}

/** The file of refused rows, one line each. */
class RejectsFile implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #encoder = new TextEncoder();

  /** @throws UsageError when the file cannot be written */
  constructor(path: string, { append }: { append: boolean }) {
    try {
      this.#file = Deno.openSync(path, { write: true, create: true, truncate: !append, append });
    } catch (error) {
      throw new UsageError(`--rejects cannot be written: ${describeError(error)}`);
    }
  }

  add({ firstRow }: RowBatch, { rejected }: Verdict): void {
    for (const { index, reason, error } of rejected) {
      const bytes = this.#encoder.encode(JSON.stringify({ row: firstRow + index, reason, error }) + "\n");
      for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
