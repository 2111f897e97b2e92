/**
 * What was sent and what was promised, row by row, to be held against what lies on the disk in the end.
 * @module
 */

import { assertEquals } from "@std/assert";
import { readStored, type Stored } from "./stored.ts";

/** Problems named in a failure; one mistake mostly makes many. */
const maxNamed = 12;

/**
 * Rows that were sent together, numbered `first` .. `first + count - 1`; every row carries its number.
 *
 * - `unit`: stored all or not at all.
 * - `stream`: stored from the front up to somewhere.
 * - `void`: never to be stored: the body was cut off, or was no JSON.
 */
export interface SentRows {
  readonly kind: "unit" | "stream" | "void";
  readonly first: number;
  readonly count: number;
  /** Rows, from the first on, that the daemon said are safe. */
  safe: number;
  /** Set once the daemon answered that none of them is stored. */
  isRefused: boolean;
}

/** Every row that was ever sent. No row is sent twice unless it can be recognised. */
export class Ledger {
  readonly #sent: SentRows[] = [];
  #next = 0;

  /** Numbers for rows that are about to be sent. */
  enter(kind: SentRows["kind"], count: number): SentRows {
    const rows: SentRows = { kind, first: this.#next, count, safe: 0, isRefused: false };
    this.#next += count;
    this.#sent.push(rows);
    return rows;
  }

  /** Rows sent so far. */
  get count(): number {
    return this.#next;
  }

  /** Rows that the daemon said are safe. */
  get safe(): number {
    return this.#sent.reduce((sum, { safe }) => sum + safe, 0);
  }

  /** What was sent together with row `n`. */
  of(n: number): SentRows {
    const found = this.#sent.find(({ first, count }) => n >= first && n < first + count);
    if (found === undefined) throw new RangeError(`Cannot find row ${n}: ${this.#next} rows were sent`);
    return found;
  }

  /** How the disk differs from what was promised; empty when it does not. */
  problems({ counts, flaws }: Stored): string[] {
    const problems = [...flaws];
    let found = 0;
    for (const sent of this.#sent) {
      const problem = problemOf(sent, counts);
      if (problem !== undefined) problems.push(problem);
      for (let i = 0; i < sent.count; i++) if (counts.has(sent.first + i)) found++;
    }
    if (found < counts.size) problems.push(`${counts.size - found} rows are stored that nobody sent`);
    return problems;
  }
}

/** Reads all parts of a stopped daemon and compares them with what was promised. */
export async function assertKept(ledger: Ledger, dataDir: string): Promise<Stored> {
  const stored = await readStored(dataDir);
  const problems = ledger.problems(stored);
  const named = problems.slice(0, maxNamed);
  if (problems.length > maxNamed) named.push(`and ${problems.length - maxNamed} more`);
  assertEquals(named, []);
  return stored;
}

function problemOf(sent: SentRows, counts: ReadonlyMap<number, number>): string | undefined {
  const { kind, first, count, safe, isRefused } = sent;
  const times = Array.from({ length: count }, (_, i) => counts.get(first + i) ?? 0);
  const name = `${kind} of rows ${first} to ${first + count - 1}`;
  const doubled = times.findIndex((n) => n > 1);
  if (doubled >= 0) return `${name}: row ${first + doubled} is stored ${times[doubled]} times`;
  const lost = times.findIndex((n, i) => n === 0 && i < safe);
  if (lost >= 0) return `${name}: row ${first + lost} was acknowledged and is lost`;
  const stored = times.filter((n) => n > 0).length;
  if ((kind === "void" || isRefused) && stored > safe) {
    return `${name}: refused, and ${stored} rows are stored`;
  }
  if (kind === "unit" && stored > 0 && stored < count) {
    return `${name}: only ${stored} of ${count} rows are stored`;
  }
  const gap = times.indexOf(0);
  if (gap >= 0 && stored > gap) return `${name}: row ${first + gap} is missing before stored ones`;
  return undefined;
}
