/**
 * What units on their way to the journal hold on to: identities, and places of batches. Here it is decided what is
 * a repeat.
 * @module
 */

import type { Identity } from "../base/identity.ts";
import { PassingMap } from "../base/passing_map.ts";
import { assumedIndexBytes, type TracePlace, type Unit } from "../base/record.ts";
import type { SeenIdentities } from "./seen_identities.ts";
import type { HeldTrace, TraceIndex } from "./trace_index.ts";

/** What became of a unit's records before they were stored. */
export interface Reserved {
  /** The identities that are repeats, each with `first` set; their records are out of the unit. */
  readonly identities: Identity[];
  /** Batches that were stored before; their records are out of the unit. */
  readonly duplicateBatches: number;
}

/** Reserves units, and settles what they hold. */
export class Reservations {
  readonly #seen: SeenIdentities;
  readonly #traces: TraceIndex;
  /** For each unit that holds anything: one for each trace record that is left of it, in order. */
  readonly #held = new PassingMap<Unit, readonly HeldTrace[]>();

  constructor(seen: SeenIdentities, traces: TraceIndex) {
    this.#seen = seen;
    this.#traces = traces;
  }

  /** See `Indexes.reserve`. */
  reserve(unit: Unit): Reserved {
    const identities = this.#seen.reserve(unit);
    const traces: HeldTrace[] = [];
    let duplicateBatches = 0;
    let repeats: Set<number> | undefined;
    try {
      for (let i = 0; i < unit.count; i++) {
        const place = unit.places[i];
        if (place.family !== "traces") continue;
        const held = this.#reserveTrace(unit, i, place);
        if (held) {
          traces.push(held);
          continue;
        }
        (repeats ??= new Set()).add(i);
        duplicateBatches++;
      }
    } catch (error) {
      this.#giveBack(unit, traces);
      for (const identity of identities) identity.first = undefined;
      throw error;
    }
    const { identified } = unit;
    if (repeats || identities.length > 0) {
      unit.drop((record) => repeats?.has(record) || identified?.isRepeat(record) === true);
    }
    // A unit that is left empty is neither stored nor refused.
    if (unit.count > 0 && (identified !== undefined || traces.length > 0)) this.#held.set(unit, traces);
    return { identities, duplicateBatches };
  }

  /** Does the unit hold batches of requests of which other units hold some, too? */
  isShared(unit: Unit): boolean {
    return this.#traces.areShared(this.#held.get(unit) ?? []);
  }

  /** The unit is stored, and its identities are in the journal. Returns what its trace records hold. */
  settle(unit: Unit): readonly HeldTrace[] {
    const traces = this.#held.get(unit);
    if (traces === undefined) return [];
    this.#held.delete(unit);
    this.#seen.place(unit);
    return traces;
  }

  /** The unit was not stored: all it holds is given back. */
  release(unit: Unit): void {
    const traces = this.#held.get(unit);
    if (traces === undefined) return;
    this.#held.delete(unit);
    this.#giveBack(unit, traces);
  }

  /**
   * A flush was planned, or failed: identities of units that are still on their way count among those that come
   * after it. One flush after the other may pass while the journal waits for the disk.
   */
  carryOver(): void {
    for (const unit of this.#held.keys()) this.#seen.carry(unit);
  }

  #giveBack(unit: Unit, traces: readonly HeldTrace[]): void {
    this.#seen.release(unit);
    this.#traces.release(traces);
  }

  #reserveTrace(unit: Unit, i: number, place: TracePlace): HeldTrace | undefined {
    const isNumbered = place.kind === "request" || place.index >= 0;
    if (!isNumbered && place.indexOffset === 0) {
      throw new RangeError("Cannot number a batch: its line must leave room for the number");
    }
    const held = this.#traces.reserve(place);
    if (held && !isNumbered) writeIndex(unit, i, place);
    return held;
  }
}

function writeIndex(unit: Unit, i: number, place: TracePlace): void {
  const digits = String(place.index).padStart(assumedIndexBytes);
  const bytes = unit.writer.view();
  const at = unit.starts[i] + place.indexOffset;
  for (let digit = 0; digit < assumedIndexBytes; digit++) bytes[at + digit] = digits.charCodeAt(digit);
}
