/**
 * One data_dir with its daemon, a load, and a ledger of what was promised: from the first start to the comparison
 * with the disk at the end.
 * @module
 */

import { assertEquals } from "@std/assert";
import type { FaultPlace } from "../../src/base/faults.ts";
import { randomFrom } from "../journal/random.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "../support/daemon.ts";
import { assertKept, Ledger } from "./ledger.ts";
import { Load } from "./load.ts";
import { assertNothingWaits, type Stored } from "./stored.ts";

/** Flushes so often, and segments so small, that a crash finds every step of both on its way. */
export const busyConfig = {
  flush: { interval_ms: 150, journal_bytes: "128KiB" },
  journal: { segment_bytes: "256KiB" },
  traces: { idle_ms: 300 },
} as const;

/** Nothing is flushed unless asked for: all rows stay in the journal, in many segments. */
export const journalOnlyConfig = {
  flush: { interval_ms: 3_600_000 },
  journal: { segment_bytes: "32KiB" },
} as const;

/** How a {@link Trial} begins. */
export interface TrialOptions {
  readonly seed: number;
  /** @default {@link busyConfig} */
  readonly config?: Record<string, unknown>;
  /** Value of WEIR_FAULTS for the first start. */
  readonly faults?: string;
  /** @default a temporary folder */
  readonly dataDir?: string;
  /** Do some requests have an Idempotency-Key? @default true */
  readonly areKeyed?: boolean;
}

/** See the module. */
export class Trial implements AsyncDisposable {
  readonly daemon: Daemon;
  readonly ledger: Ledger;
  readonly load: Load;
  /** Numbers from 0 to 1, the same for the same seed. */
  readonly random: () => number;
  readonly #seed: number;
  readonly #config: Record<string, unknown>;

  /** Starts a daemon, and waits until it is ready. */
  static async start(options: TrialOptions): Promise<Trial> {
    const { config = busyConfig, faults, dataDir } = options;
    const daemon = await startDaemon({ config, env: environment(faults), dataDir });
    return new Trial(daemon, options);
  }

  private constructor(daemon: Daemon, { seed, config = busyConfig, areKeyed }: TrialOptions) {
    this.daemon = daemon;
    this.ledger = new Ledger();
    this.random = randomFrom(seed);
    this.load = new Load({ ledger: this.ledger, random: this.random, areKeyed });
    this.#seed = seed;
    this.#config = config;
  }

  get dataDir(): string {
    return this.daemon.dataDir;
  }

  /** Kills what runs and starts again on the same data_dir. */
  async restart({ faults, until }: { faults?: string } & Pick<DaemonOptions, "until"> = {}): Promise<void> {
    await this.daemon.restart({ config: this.#config, env: environment(faults), until });
  }

  /** Sends random jobs until `event`, or until the daemon is gone. */
  async loadUntil(event: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    const running = this.load.run(this.daemon.url, over.signal);
    try {
      await event;
    } finally {
      over.abort();
    }
    await running;
  }

  /** Sends so many random jobs. */
  async sendSome(jobs: number): Promise<void> {
    await this.load.runSome(this.daemon.url, jobs);
  }

  /** Resolves once the daemon stands still at this place. */
  async stoppedAt(place: FaultPlace): Promise<void> {
    await this.daemon.waitForLog(`fault point reached: ${place}`);
  }

  /** Sends what may be sent again, stops the daemon in order, and compares the disk with what was promised. */
  async finish(): Promise<Stored> {
    await this.load.settle(this.daemon.url);
    assertEquals(this.load.surprises, [], `seed ${this.#seed}`);
    assertEquals(await this.daemon.stop(), 0);
    await assertNothingWaits(this.dataDir);
    return await assertKept(this.ledger, this.dataDir);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
  }
}

function environment(faults: string | undefined): Record<string, string> {
  return faults === undefined ? {} : { WEIR_FAULTS: faults };
}
