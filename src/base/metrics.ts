/**
 * Every metric the daemon has, defined once; docs/metrics.md is made from this table.
 * @module
 */

import { Counter, Gauge, Histogram, Registry } from "prom-client";

interface MetricRow {
  type: "counter" | "gauge" | "histogram";
  help: string;
  labels?: readonly string[];
  /** Upper bounds, in the metric's unit. */
  buckets?: readonly number[];
}

const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** Name to type, meaning and labels. */
export const metricTable = {
  weir_requests_total: {
    type: "counter",
    help: "Requests answered, by dialect, route pattern and status",
    labels: ["dialect", "route", "status"],
  },
  weir_request_seconds: {
    type: "histogram",
    help: "From the first look at a request to its reply, in seconds",
    labels: ["dialect"],
    buckets: seconds,
  },
  weir_rows_total: {
    type: "counter",
    help: "Rows by what became of them: accepted, duplicate, or the reason of a rejection",
    labels: ["dialect", "outcome"],
  },
  weir_body_bytes_total: { type: "counter", help: "Decoded bytes of bodies", labels: ["dialect"] },
  weir_in_flight_bytes: {
    type: "gauge",
    help: "Bytes of bodies and records held by requests that are not answered",
  },
  weir_in_flight_requests: { type: "gauge", help: "Requests that are not answered" },
  weir_refused_total: {
    type: "counter",
    help: "Requests refused before their body was read",
    labels: ["code"],
  },
  weir_journal_bytes_total: { type: "counter", help: "Bytes written to the journal, frame headers included" },
  weir_journal_frames_total: {
    type: "counter",
    help: "Frames written: one a request, one a window of NDJSON",
  },
  weir_journal_syncs_total: { type: "counter", help: "Calls of fdatasync on the journal" },
  weir_journal_sync_seconds: {
    type: "histogram",
    help: "Write and fdatasync of one group of frames, in seconds",
    buckets: seconds,
  },
  weir_journal_segments: { type: "gauge", help: "Segments on disk" },
  weir_journal_failed: { type: "gauge", help: "1 after a write or sync failed for good, else 0" },
  weir_recovered_records_total: { type: "counter", help: "Records read back from the journal at start" },
  weir_quarantined_total: { type: "counter", help: "Damaged pieces of the journal set aside" },
  weir_index_entries: { type: "gauge", help: "Entries in memory, by index", labels: ["index"] },
  weir_index_bytes: { type: "gauge", help: "Estimated memory of the indexes", labels: ["index"] },
  weir_identity_lookups_total: {
    type: "counter",
    help: "Look-ups of row identities, by where they were decided",
    labels: ["by"],
  },
  weir_geo_lookups_total: {
    type: "counter",
    help:
      "Look-ups of addresses in track.geo_database: one a sender, and one for each event that names another",
  },
  weir_guarded_rows_total: {
    type: "counter",
    help:
      "Rows that a guard kept out, by which: ip, profile, revenue, bot; or event, for those in drop_events",
    labels: ["guard"],
  },
  weir_flushes_total: { type: "counter", help: "Flushes, by result", labels: ["result"] },
  weir_flush_seconds: {
    type: "histogram",
    help: "Length of a flush, in seconds",
    buckets: [...seconds, 30, 60],
  },
  weir_parts_total: { type: "counter", help: "Parts written, by folder", labels: ["directory"] },
  weir_part_bytes_total: {
    type: "counter",
    help: "Bytes of parts on disk, by folder",
    labels: ["directory"],
  },
  weir_ignored_operations_total: {
    type: "counter",
    help:
      "Operations on profiles that made no difference: a step of what is no number, a profile that is too large",
    labels: ["reason"],
  },
  weir_quarantine_removed_total: {
    type: "counter",
    help: "Files removed from quarantine, by reason: age or bytes",
    labels: ["reason"],
  },
  weir_retention_removed_total: { type: "counter", help: "Parts removed by retention", labels: ["reason"] },
  weir_claims_total: {
    type: "counter",
    help:
      "Claims over Redis of session starts, rows with an id and Idempotency-Keys: taken, lost, taken_over, done",
    labels: ["event"],
  },
  weir_trace_files_total: {
    type: "counter",
    help: "Trace files that were to be written, by what became of them: written, or the code of the error",
    labels: ["outcome"],
  },
  weir_trace_file_bytes_total: { type: "counter", help: "Bytes of trace files written" },
  weir_trace_file_batches_total: {
    type: "counter",
    help: "Batches of trace files, by result: all, some or none of their files were written",
    labels: ["result"],
  },
  weir_trace_file_batch_seconds: {
    type: "histogram",
    help: "From the last byte of a batch of trace files to its last file on the disk, in seconds",
    buckets: seconds,
  },
  weir_trace_files_removed_total: {
    type: "counter",
    help: "Trace files removed by retention, by reason: age or count",
    labels: ["reason"],
  },
  weir_sessions_total: {
    type: "counter",
    help: "Sessions by what happened: opened, started (session_start written here), ended, reopened",
    labels: ["event"],
  },
  weir_trpc_requests_total: {
    type: "counter",
    help: "Requests of tRPC routes by what was done: unchanged, normalized or refused",
    labels: ["route", "action"],
  },
  weir_redis_round_trips_total: {
    type: "counter",
    help: "Questions sent to Redis; in a cluster, to each node",
  },
  weir_redis_outages_total: { type: "counter", help: "Times that Redis went away" },
  weir_redis_up: { type: "gauge", help: "1 while Redis answers; 0 while it is away, or where there is none" },
  weir_disk_free_bytes: { type: "gauge", help: "Free bytes of the file system under data_dir" },
  weir_resident_bytes: { type: "gauge", help: "Resident memory of the process" },
  weir_heap_used_bytes: { type: "gauge", help: "Used heap of the main isolate" },
  weir_ready: { type: "gauge", help: "1 when the daemon takes requests, else 0" },
} as const satisfies Record<string, MetricRow>;

type Kinds = { counter: Counter; gauge: Gauge; histogram: Histogram };
type Names<T extends MetricRow["type"]> = {
  [K in keyof typeof metricTable]: (typeof metricTable)[K]["type"] extends T ? K : never;
}[keyof typeof metricTable];

/** A counter under fixed labels. */
export interface Count {
  /** @param by @default 1 */
  inc(by?: number): void;
}

/** A histogram under fixed labels. */
export interface Timing {
  /** @param value In the metric's unit. */
  observe(value: number): void;
}

/** The metrics of one daemon. */
export interface Metrics {
  readonly registry: Registry;
  counter(name: Names<"counter">): Counter;
  /**
   * A counter that is counted at every request: in a number of its own, which the metric takes over when it is asked.
   * To be kept, not to be asked for each time.
   */
  count(name: Names<"counter">, labels: Readonly<Record<string, string>>): Count;
  gauge(name: Names<"gauge">): Gauge;
  histogram(name: Names<"histogram">): Histogram;
  /** A histogram that is told of every request, as {@link count} is a counter: to be kept. */
  timing(name: Names<"histogram">, labels: Readonly<Record<string, string>>): Timing;
}

/** What was counted since it was last taken over. */
class PendingCount implements Count {
  readonly #child: Count;
  #pending = 0;

  constructor(child: Count) {
    this.#child = child;
  }

  inc(by = 1): void {
    this.#pending += by;
  }

  takeOver(): void {
    if (this.#pending === 0) return;
    this.#child.inc(this.#pending);
    this.#pending = 0;
  }
}

/** What prom-client keeps of a histogram under one set of labels; 15.1.3 has no other way to add many values at once. */
interface KeptTimes {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly bucketValues: Record<number, number>;
  sum: number;
  count: number;
}

/** What was observed since it was last taken over: in prom-client's hands each value costs 0.8 µs. */
class PendingTimes implements Timing {
  readonly #histogram: Histogram;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #bounds: readonly number[];
  /** By bucket; the last one is for what is above all bounds. */
  readonly #counts: Float64Array;
  #sum = 0;
  #kept: KeptTimes | undefined;

  constructor(histogram: Histogram, labels: Readonly<Record<string, string>>, bounds: readonly number[]) {
    this.#histogram = histogram;
    this.#labels = labels;
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]) bucket++;
    this.#counts[bucket]++;
    this.#sum += value;
  }

  takeOver(): void {
    const counts = this.#counts;
    const count = counts.reduce((sum, each) => sum + each, 0);
    if (count === 0) return;
    const kept = this.#kept ??= this.#keep();
    kept.count += count;
    kept.sum += this.#sum;
    this.#bounds.forEach((bound, bucket) => kept.bucketValues[bound] += counts[bucket]);
    counts.fill(0);
    this.#sum = 0;
  }

  #keep(): KeptTimes {
    const known = this.#find();
    if (known !== undefined) return known;
    this.#histogram.zero(this.#labels);
    return this.#find()!;
  }

  #find(): KeptTimes | undefined {
    const { hashMap } = this.#histogram as unknown as {
      readonly hashMap: Readonly<Record<string, KeptTimes>>;
    };
    const wanted = Object.entries(this.#labels);
    return Object.values(hashMap).find(({ labels }) => wanted.every(([name, text]) => labels[name] === text));
  }
}

/** All metrics of {@link metricTable}, in a registry of their own. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const made = new Map<string, Kinds[keyof Kinds]>();
  const pending = new Map<string, (PendingCount | PendingTimes)[]>();
  for (const [name, row] of Object.entries(metricTable) as [string, MetricRow][]) {
    const common = { name, help: row.help, labelNames: [...(row.labels ?? [])], registers: [registry] };
    const waiting: (PendingCount | PendingTimes)[] = [];
    pending.set(name, waiting);
    const collect = (): void => waiting.forEach((each) => each.takeOver());
    if (row.type === "counter") made.set(name, new Counter({ ...common, collect }));
    else if (row.type === "gauge") made.set(name, new Gauge(common));
    else made.set(name, new Histogram({ ...common, buckets: [...bucketsOf(row)], collect }));
  }
  const get = (name: string): Kinds[keyof Kinds] => made.get(name)!;
  return {
    registry,
    counter: (name) => get(name) as Counter,
    count: (name, labels) => {
      const count = new PendingCount((get(name) as Counter).labels(labels));
      pending.get(name)!.push(count);
      return count;
    },
    gauge: (name) => get(name) as Gauge,
    histogram: (name) => get(name) as Histogram,
    timing: (name, labels) => {
      const times = new PendingTimes(get(name) as Histogram, labels, bucketsOf(metricTable[name]));
      pending.get(name)!.push(times);
      return times;
    },
  };
}

function bucketsOf({ buckets }: MetricRow): readonly number[] {
  return buckets ?? seconds;
}
