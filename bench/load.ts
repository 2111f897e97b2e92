/**
 * The load generator: a process of its own. Takes one {@link LoadJob} as JSON in its first argument, prints one
 * {@link LoadResult} as JSON. It looks at every status, and it ends by itself.
 * @module
 */

import { type BodyPlan, makeRequests, type NextRequest } from "./bodies.ts";
import { HttpConnection } from "./http_connection.ts";
import { Latencies, type LatencySummary } from "./latencies.ts";

/** One arm's load. */
export interface LoadJob {
  /** Such as `http://127.0.0.1:41234`. */
  url: string;
  body: BodyPlan;
  /** Requests under way at once. */
  connections: number;
  /** Not measured. */
  warmupMs: number;
  /** Ends after this time, measured from the end of the warm-up. */
  durationMs: number;
  /**
   * Requests a second, dealt out by a timer; latencies then run from the moment a request was due, also when
   * no connection was free. @default as fast as the replies come
   */
  rate?: number;
  /** Ends after this number of requests, too; there is no warm-up then. */
  requests?: number;
}

/** What came of it. */
export interface LoadResult {
  /** Replies with a 2xx status a second. */
  rps: number;
  /** Replies with a 2xx status. */
  ok: number;
  /** Replies with any other status, and requests without a reply. */
  errors: number;
  /** Replies by status; `broken` counts requests without a whole reply. */
  statuses: Record<string, number>;
  /** 429 and 503 replies without Retry-After. */
  missingRetryAfter: number;
  seconds: number;
  requestBytes: number;
  /** Of 2xx replies, ms. */
  latency: LatencySummary;
  /** 2xx replies of warm-up and measurement together: what the server must have stored. */
  okInAll: number;
}

interface Tally {
  measuring: boolean;
  stopped: boolean;
  latencies: Latencies;
  statuses: Map<string, number>;
  missingRetryAfter: number;
  okInAll: number;
  left: number;
}

/** Runs one job to its end. */
export async function runLoad(job: LoadJob): Promise<LoadResult> {
  const requests = makeRequests(job.body, job.connections, Date.now());
  const requestBytes = requests[0]().length;
  const tally: Tally = {
    measuring: job.requests !== undefined,
    stopped: false,
    latencies: new Latencies(),
    statuses: new Map(),
    missingRetryAfter: 0,
    okInAll: 0,
    left: job.requests ?? Infinity,
  };
  const connections = requests.map(() => new HttpConnection(job.url));
  const turns = job.rate === undefined ? undefined : new Turns(job.rate);
  const workers = connections.map((connection, i) => work(connection, requests[i], { tally, turns }));
  const finished = Promise.all(workers);

  if (job.requests === undefined) await within(finished, job.warmupMs);
  tally.measuring = true;
  const start = performance.now();
  await within(finished, job.durationMs);
  const seconds = (performance.now() - start) / 1000;
  tally.measuring = false;
  tally.stopped = true;
  turns?.stop();
  // Requests under way may still end, so that the server's own count can be compared with ours.
  await within(finished, 5000);
  for (const connection of connections) connection.close();
  return summary(tally, seconds, requestBytes);
}

async function work(
  connection: HttpConnection,
  next: NextRequest,
  { tally, turns }: { tally: Tally; turns: Turns | undefined },
): Promise<void> {
  while (!tally.stopped && tally.left-- > 0) {
    const due = turns ? await turns.take() : performance.now();
    if (tally.stopped) return;
    let status = "broken";
    try {
      const reply = await connection.exchange(next());
      status = String(reply.status);
      const mustWait = reply.status === 503 || reply.status === 429;
      if (mustWait && !reply.retryAfter) tally.missingRetryAfter++;
    } catch (error) {
      if (!isNetworkError(error)) throw error;
    }
    const ok = status.startsWith("2");
    if (ok) tally.okInAll++;
    if (!tally.measuring) continue;
    tally.statuses.set(status, (tally.statuses.get(status) ?? 0) + 1);
    if (ok) tally.latencies.add(performance.now() - due);
  }
}

function isNetworkError(error: unknown): boolean {
  return [
    Deno.errors.BrokenPipe,
    Deno.errors.ConnectionReset,
    Deno.errors.ConnectionRefused,
    Deno.errors.ConnectionAborted,
    Deno.errors.UnexpectedEof,
    Deno.errors.BadResource,
    Deno.errors.Interrupted,
  ].some((kind) => error instanceof kind);
}

function summary(tally: Tally, seconds: number, requestBytes: number): LoadResult {
  const all = [...tally.statuses.values()].reduce((sum, count) => sum + count, 0);
  const ok = tally.latencies.count;
  return {
    rps: ok / seconds,
    ok,
    errors: all - ok,
    statuses: Object.fromEntries(tally.statuses),
    missingRetryAfter: tally.missingRetryAfter,
    seconds,
    requestBytes,
    latency: tally.latencies.summary(),
    okInAll: tally.okInAll,
  };
}

/** Deals out turns at a fixed rate, in small groups each millisecond or two. */
class Turns {
  readonly #rate: number;
  readonly #start = performance.now();
  readonly #waiting: ((due: number) => void)[] = [];
  /** Times of turns that nobody was free to take. */
  readonly #missed: number[] = [];
  #dealt = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(rate: number) {
    this.#rate = rate;
    this.#timer = setInterval(() => this.#deal(), 1);
  }

  take(): Promise<number> {
    const missed = this.#missed.shift();
    if (missed !== undefined) return Promise.resolve(missed);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const resolve of this.#waiting.splice(0)) resolve(performance.now());
  }

  #deal(): void {
    const now = performance.now();
    const due = Math.floor((now - this.#start) / 1000 * this.#rate);
    for (; this.#dealt < due; this.#dealt++) {
      const waiter = this.#waiting.shift();
      if (waiter) waiter(now);
      else this.#missed.push(now);
    }
  }
}

/** Waits for the promise, but no longer than `ms`. */
async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

if (import.meta.main) {
  const result = await runLoad(JSON.parse(Deno.args[0]));
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(result) + "\n"));
}
