/**
 * Clients that send jobs over a few connections until the daemon is gone, and send again what may be sent again.
 * @module
 */

import { openRaw, type RawConnection, type Reply, requestHead } from "../support/http.ts";
import { bodyOf, type Job, JobMaker, type JobMakerOptions } from "./jobs.ts";

/** Jobs that are kept to be sent once more at the very end. */
const maxKept = 60;

/** How {@link Load} sends. */
export interface LoadOptions extends JobMakerOptions {
  /** Connections at once. @default 6 */
  readonly connections?: number;
}

/** What became of a request whose connection broke: nobody knows. */
const cut = Symbol("cut");

/** Clients with a memory. */
export class Load {
  readonly jobs: JobMaker;
  readonly #options: LoadOptions;
  readonly #again: Job[] = [];
  readonly #kept: Job[] = [];
  #surprises: string[] = [];
  #refusals = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.jobs = new JobMaker(options);
  }

  /** Replies that no client should get, such as `batch: 500`. */
  get surprises(): readonly string[] {
    return this.#surprises;
  }

  /** How often the daemon said 503. */
  get refusals(): number {
    return this.#refusals;
  }

  /** Sends random jobs until `signal` or the end of the daemon. */
  async run(url: string, signal?: AbortSignal): Promise<void> {
    await this.#connections(url, () => signal?.aborted ? undefined : this.#nextJob());
  }

  /** Sends so many random jobs, or fewer when the daemon ends. */
  async runSome(url: string, jobs: number): Promise<void> {
    let rest = jobs;
    await this.#connections(url, () => rest-- > 0 ? this.#nextJob() : undefined);
  }

  /** Sends everything again whose fate is not known and that may be, and some jobs that are known to be safe. */
  async settle(url: string): Promise<void> {
    const jobs = [...this.#again.splice(0), ...this.#kept.splice(0)];
    await this.#connections(url, () => jobs.pop());
    for (const { shape } of this.#again) {
      this.#surprises.push(`${shape}: not stored though nothing stood in its way`);
    }
  }

  /** Sends one job. @returns whether the daemon said that all of it is safe */
  async send(url: string, job: Job): Promise<boolean> {
    await this.#connections(url, onceOnly(job));
    return job.sent.safe === job.sent.count;
  }

  #nextJob(): Job {
    const known = this.#options.random() < 0.6 ? this.#again.pop() : undefined;
    if (known !== undefined) return known;
    const job = this.jobs.next();
    // Two clients that send the same rows at once.
    if (job.repeatable && job.shape !== "stream" && this.#options.random() < 0.1) this.#again.push(job);
    return job;
  }

  async #connections(url: string, next: () => Job | undefined): Promise<void> {
    const { connections = 6 } = this.#options;
    await Promise.all(Array.from({ length: connections }, () => this.#client(url, next)));
  }

  async #client(url: string, next: () => Job | undefined): Promise<void> {
    let connection: RawConnection | undefined;
    try {
      for (let job = next(); job !== undefined; job = next()) {
        connection ??= await connect(url);
        if (connection === undefined) return this.#later(job);
        const reply = await exchange(connection, { url, job });
        if (reply === cut && job.shape !== "torn") return this.#later(job);
        if (reply !== cut) this.#note(job, reply);
        if (reply === cut || reply.headers.get("connection") === "close") {
          connection.close();
          connection = undefined;
        }
      }
    } finally {
      connection?.close();
    }
  }

  #later(job: Job): void {
    const { repeatable, sent, shape } = job;
    // All rows of a stream can be known to be safe before its reply has ended.
    const isSafe = shape === "stream" && sent.safe === sent.count;
    if (repeatable && !isSafe) this.#again.push(job);
  }

  #note(job: Job, { status, json }: Reply): void {
    const { sent, shape } = job;
    if (status === 503) {
      this.#refusals++;
      if (!job.repeatable) sent.isRefused = true;
      return this.#later(job);
    }
    if (status === 400 && shape === "spoiled") return;
    if (shape === "stream" && status === 202 && sent.safe < sent.count) {
      // It ended early, and told why in its last line.
      return this.#later(job);
    }
    if (isFullReply(job, status, json)) {
      sent.safe = sent.count;
      if (job.repeatable && this.#kept.length < maxKept) this.#kept.push(job);
    } else this.#surprises.push(`${shape}: ${status} ${JSON.stringify(json)?.slice(0, 200)}`);
  }
}

/** A reply that takes every row of the job. */
function isFullReply({ shape, rows }: Job, status: number, json: unknown): boolean {
  const { accepted, rejected, deviceId } = (json ?? {}) as Record<string, unknown>;
  if (shape === "stream") return status === 202;
  if (shape === "single") return status === 200 && typeof deviceId === "string";
  const wanted = shape === "entries" ? 201 : 202;
  return status === wanted && accepted === rows.length && (rejected as unknown[]).length === 0;
}

/** Sends a job and reads its reply. The verdicts of a stream count even when the connection breaks afterwards. */
async function exchange(
  connection: RawConnection,
  { url, job }: { url: string; job: Job },
): Promise<Reply | typeof cut> {
  const { sent } = job;
  const base = sent.safe;
  try {
    const body = bodyOf(job);
    await connection.write(requestHead(url + job.path, body.length, { ...job.headers }));
    if (job.shape === "torn") {
      await connection.write(body.subarray(0, body.length / 2));
      return cut;
    }
    await connection.write(body);
  } catch (error) {
    if (!isBroken(error)) throw error;
  }
  const reply = await connection.readReply();
  const text = reply?.text ?? await connection.readSome() ?? "";
  if (job.shape === "stream") sent.safe = Math.max(sent.safe, base + rowsThrough(text));
  return reply ?? cut;
}

/** Rows that a stream's reply says are safe; a reply that is cut may end in the middle of a number. */
function rowsThrough(text: string): number {
  const last = [...text.matchAll(/"through":(\d+)[,}]/g)].at(-1);
  return last === undefined ? 0 : Number(last[1]) + 1;
}

async function connect(url: string): Promise<RawConnection | undefined> {
  try {
    return await openRaw(url);
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused || isBroken(error)) return undefined;
    throw error;
  }
}

function isBroken(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted;
}

function onceOnly(job: Job): () => Job | undefined {
  let rest: Job | undefined = job;
  return () => {
    const next = rest;
    rest = undefined;
    return next;
  };
}
