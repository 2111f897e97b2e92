/**
 * What units on their way to the journal hold on to: identities, and places of batches. Here it is decided what is
 * a repeat.
 * @module
 */

import { assumedIndexBytes, type Identity, type TracePlace, type Unit } from "../base/record.ts";
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
  readonly #held = new Map<Unit, readonly HeldTrace[]>();

  constructor(seen: SeenIdentities, traces: TraceIndex) {
    this.#seen = seen;
    this.#traces = traces;
  }

  /** See `Indexes.reserve`. */
  reserve(unit: Unit): Reserved {
    const identities: Identity[] = [];
    const traces: HeldTrace[] = [];
    let repeats: Set<number> | undefined;
    let hasIdentities = false;
    let duplicateBatches = 0;
    let i = 0;
    try {
      for (; i < unit.count; i++) {
        if (unit.identities[i] !== undefined) {
          if (this.#isRepeat(unit, i, identities)) {
            (repeats ??= new Set()).add(i);
            continue;
          }
          hasIdentities = true;
        }
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
      this.#giveBack(unit.identities.slice(0, i), traces);
      for (const identity of identities) identity.first = undefined;
      throw error;
    }
    if (repeats) unit.drop((record) => repeats.has(record));
    if (hasIdentities || traces.length > 0) this.#held.set(unit, traces);
    return { identities, duplicateBatches };
  }

  /** Does the unit hold batches of requests of which other units hold some, too? */
  isShared(unit: Unit): boolean {
    return this.#traces.areShared(this.#held.get(unit) ?? []);
  }

  /** The unit is stored, and its identities are in the journal. Returns what its trace records hold. */
  settle(unit: Unit): readonly HeldTrace[] {
    const traces = this.#held.get(unit);
    this.#held.delete(unit);
    return traces ?? [];
  }

  /** The unit was not stored: all it holds is given back. */
  release(unit: Unit): void {
    const traces = this.#held.get(unit);
    if (traces === undefined) return;
    this.#held.delete(unit);
    this.#giveBack(unit.identities, traces);
  }

  /**
   * A flush was planned: identities of units that are still on their way count among those that come after it. One
   * flush after the other may pass while the journal waits for the disk.
   */
  carryOver(): void {
    for (const unit of this.#held.keys()) {
      for (const identity of unit.identities) if (identity) this.#seen.keep(identity.key, identity.memo);
    }
  }

  #giveBack(identities: readonly (Identity | undefined)[], traces: readonly HeldTrace[]): void {
    for (const identity of identities) {
      if (identity && identity.first === undefined) this.#seen.release(identity.key);
    }
    this.#traces.release(traces);
  }

  /** Is the row of record i a repeat? Several records may be of one row, and share its identity. */
  #isRepeat(unit: Unit, i: number, found: Identity[]): boolean {
    const identity = unit.identities[i]!;
    const isOfRowBefore = i > 0 && unit.identities[i - 1] === identity;
    if (identity.first !== undefined) {
      // Another daemon has stored it, which was found out when the row was taken.
      if (!isOfRowBefore) found.push(identity);
      return true;
    }
    if (isOfRowBefore) return false;
    const first = this.#seen.reserve(identity.key, identity.memo);
    if (first === undefined) return false;
    // Other rows may share the memo, so only the unit can tell whether this row reserved it a few records ago.
    if (first === identity.memo && unit.identities.indexOf(identity) < i) return false;
    identity.first = first;
    found.push(identity);
    return true;
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
