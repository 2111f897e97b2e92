/**
 * A segment of a daemon that was killed ends with room for frames to come: nobody takes it for damage.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { listSegments, segmentPath } from "../../src/journal/segment.ts";
import { namesIn } from "../journal/support.ts";
import { runWeir } from "../support/daemon.ts";
import { repositoryRoot, startFlags } from "../support/daemon_process.ts";
import { Trial } from "./trial.ts";

/** All in one segment, which a kill leaves with its room. */
const config = { flush: { interval_ms: 3_600_000 } };

/** Follows the journal from its beginning in a process of its own. */
class Tail implements AsyncDisposable {
  /** Numbers of the rows that it printed, in their order. */
  readonly seen: number[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #wake: () => void = () => {};

  static async start(dataDir: string): Promise<Tail> {
    const verb = ["tail", "--all", "--json", "--data-dir", dataDir];
    const command = new Deno.Command(Deno.execPath(), {
      args: [...await startFlags(), `${repositoryRoot}main.ts`, ...verb],
      ...{ stdin: "null", stdout: "piped", stderr: "null" },
    });
    return new Tail(command.spawn());
  }

  private constructor(child: Deno.ChildProcess & { stdout: ReadableStream<Uint8Array<ArrayBuffer>> }) {
    this.#child = child;
    this.#reading = this.#read(child.stdout);
  }

  /** Resolves once it printed so many rows; with what it has where it ended before. */
  async reach(count: number): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 20_000);
    const ended = this.#reading.then(() => true);
    for (let isOver = false; this.seen.length < count && !isOver;) {
      isOver = await Promise.race([
        ended,
        new Promise<false>((resolve) => this.#wake = () => resolve(false)),
      ]);
    }
    clearTimeout(timer);
  }

  async #read(stdout: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const lines = stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      const n = JSON.parse(line).properties?.n;
      if (typeof n === "number") this.seen.push(n);
      this.#wake();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#reading;
    await this.#child.status;
  }
}

Deno.test("kill -9 while small frames are written: the room behind them is no damage to start, tail, doctor and journal", async () => {
  await using trial = await Trial.start({ seed: 3, config });
  await using tail = await Tail.start(trial.dataDir);
  const client = async (): Promise<void> => {
    while (await trial.load.send(trial.daemon.url, trial.load.jobs.single()));
  };
  const clients = [client(), client(), client()];
  await tail.reach(100);
  await trial.daemon.kill9();
  await Promise.all(clients);

  const dir = `${trial.dataDir}/journal`;
  const { segments } = await listSegments(dir);
  const file = segmentPath(dir, segments[0]);
  assertEquals((await Deno.readFile(file)).at(-1), 0, "no room was left, so this proves nothing");
  const { code, stderr } = await runWeir(["journal", file, "--frames"]);
  assertEquals([code, stderr], [0, ""]);
  const doctor = await runWeir(["doctor", "--json", "--data-dir", trial.dataDir, "--admin-port", "1"]);
  const findings = doctor.stdout.trim().split("\n").map((line) => JSON.parse(line));
  const stateOf = (name: string): string | undefined => findings.find(({ check }) => check === name)?.state;
  assertEquals(["data_dir", "catalog", "quarantine"].map(stateOf), ["ok", "ok", undefined]);

  await trial.restart();
  const before = trial.ledger.safe;
  for (let i = 0; i < 5; i++) assert(await trial.load.send(trial.daemon.url, trial.load.jobs.single()));
  assertEquals(trial.ledger.safe, before + 5);
  // Those of the second start lie in a segment of their own. A row that nobody was told of may be there, too.
  const last = trial.ledger.count - 1;
  while (!tail.seen.includes(last)) {
    const { length } = tail.seen;
    await tail.reach(length + 1);
    assert(tail.seen.length > length, "tail does not go on into the next segment");
  }
  assertEquals(tail.seen.length, new Set(tail.seen).size);
  assert(tail.seen.length >= trial.ledger.safe);

  await trial.finish();
  assertEquals(await namesIn(`${trial.dataDir}/quarantine`), []);
  const told = trial.daemon.logs().filter(({ level }) => level === "warn" || level === "error");
  assertEquals(told, []);
});
