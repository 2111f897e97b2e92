/**
 * `weir send FILE|-`: posts a file of rows to a running daemon, in batches, and can go on where it stopped.
 * @module
 */

import { parseArgs } from "node:util";
import { describeError } from "../base/log.ts";
import type { CliIo } from "./io.ts";
import { Progress } from "./send_progress.ts";
import { openSource, type RowBatch, type RowFile, SourceError } from "./send_source.ts";
import { clearState, readState, writeState } from "./send_state.ts";
import { DeliveryError, postBatch, type Verdict } from "./send_post.ts";

const usage = `weir send FILE|- [flags]

Posts the rows of a file (JSON array, {"events":[...]} or NDJSON) to /track/batch. Run again after it was
interrupted, it goes on where it stopped: FILE.weir-sent remembers how far it came.

  --url URL              the daemon            (http://127.0.0.1:7400)
  --client-id ID         openpanel-client-id
  --client-secret TEXT   openpanel-client-secret; better: SEND_CLIENT_SECRET in the environment
  --batch N              rows a request, 1 to 2000  (500)
  --rejects FILE         write refused rows there, one line each: row, reason, error
  --restart              forget how far an earlier run came
`;

/** Exit codes: all rows taken; some were refused; the command line is wrong; not all could be delivered. */
const exits = { taken: 0, refused: 1, usage: 64, undelivered: 69, unreadable: 66 } as const;

interface SendOptions {
  readonly url: URL;
  readonly headers: Record<string, string>;
  readonly batchRows: number;
  readonly rejects: string | undefined;
  readonly restart: boolean;
}

/** Runs the verb. */
export async function sendVerb(args: string[], io: CliIo): Promise<number> {
  let parsed: { path: string; options: SendOptions } | undefined;
  try {
    parsed = readArgs(args, io);
  } catch (error) {
    io.stderr(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    return exits.usage;
  }
  if (parsed === undefined) {
    io.stdout(usage);
    return exits.taken;
  }
  const { path, options } = parsed;
  try {
    using file = await openSource(path, options.batchRows);
    return await sendRows(file, { options, io });
  } catch (error) {
    if (error instanceof SourceError || error instanceof Deno.errors.NotFound) {
      io.stderr(`Cannot read the rows: ${describeError(error)}\n`);
      return exits.unreadable;
    }
    throw error;
  }
}

async function sendRows(
  file: RowFile,
  { options, io }: { options: SendOptions; io: CliIo },
): Promise<number> {
  if (options.restart) await clearState(file);
  const skip = await readState(file);
  if (skip > 0) io.stderr(`Going on after row ${skip}\n`);
  using rejects = options.rejects === undefined ? undefined : openRejects(options.rejects, skip > 0);
  const progress = new Progress({ io, totalBytes: file.size });
  for await (const batch of file.batches(skip)) {
    let verdict: Verdict;
    try {
      verdict = await postBatch(batch, { url: options.url, headers: options.headers, fileId: file.id });
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      progress.end();
      io.stderr(`Stopped at row ${batch.firstRow}: ${error.message}\nRun the same command again to go on\n`);
      return exits.undelivered;
    }
    rejects?.add(batch, verdict);
    progress.add(batch, verdict);
    await writeState(file, batch.firstRow + batch.rows);
  }
  progress.end();
  await clearState(file);
  return progress.rejected > 0 ? exits.refused : exits.taken;
}

function readArgs(args: string[], io: CliIo): { path: string; options: SendOptions } | undefined {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      url: { type: "string", default: "http://127.0.0.1:7400" },
      "client-id": { type: "string" },
      "client-secret": { type: "string" },
      batch: { type: "string", default: "500" },
      rejects: { type: "string" },
      restart: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  if (positionals.length !== 1) throw new Error("Cannot send: name one file, or - for standard input");
  const batchRows = Number(values.batch);
  if (!Number.isInteger(batchRows) || batchRows < 1 || batchRows > 2000) {
    throw new Error(`Cannot send: --batch must be 1 to 2000: current value is ${values.batch}`);
  }
  if (!URL.canParse(values.url) || !/^https?:/.test(values.url)) {
    throw new Error(`Cannot send: --url must be an http URL: current value is ${values.url}`);
  }
  const headers: Record<string, string> = { "content-type": "application/json" };
  const secret = values["client-secret"] ?? io.env.SEND_CLIENT_SECRET;
  if (values["client-id"]) headers["openpanel-client-id"] = values["client-id"];
  if (secret) headers["openpanel-client-secret"] = secret;
  const options = {
    url: new URL("/track/batch", values.url),
    headers,
    batchRows,
    rejects: values.rejects,
    restart: values.restart,
  };
  return { path: positionals[0], options };
}

/** The file of refused rows. */
function openRejects(
  path: string,
  append: boolean,
): { add(batch: RowBatch, verdict: Verdict): void } & Disposable {
  const file = Deno.openSync(path, { write: true, create: true, truncate: !append, append });
  const encoder = new TextEncoder();
  return {
    add(batch, { rejected }): void {
      for (const { index, reason, error } of rejected) {
        file.writeSync(encoder.encode(JSON.stringify({ row: batch.firstRow + index, reason, error }) + "\n"));
      }
    },
    [Symbol.dispose]: () => file.close(),
  };
}
