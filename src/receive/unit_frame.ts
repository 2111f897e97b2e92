/**
 * A unit on its way to the journal.
 * @module
 */

import type { WeirError } from "../base/errors.ts";
import type { Unit } from "../base/record.ts";
import type { Indexes } from "../index/indexes.ts";
import type { Reserved } from "../index/reservations.ts";
import type { Frame, JournalPosition } from "../journal/append.ts";
import type { House } from "./house.ts";

/** The frame of a reserved unit: tells the indexes what became of it. */
export class UnitFrame implements Frame {
  readonly bytes: Uint8Array;
  readonly #unit: Unit;
  readonly #reserved: Reserved;
  readonly #indexes: Indexes;
  readonly #flusher: House["flusher"];
  readonly #mustFollow: boolean;

  /** @param options.mustFollow Is it stored behind the ones before it, whatever it holds? @default false */
  constructor(
    unit: Unit,
    reserved: Reserved,
    { house, mustFollow = false }: { house: Pick<House, "indexes" | "flusher">; mustFollow?: boolean },
  ) {
    this.bytes = unit.writer.view();
    this.#unit = unit;
    this.#reserved = reserved;
    this.#indexes = house.indexes;
    this.#flusher = house.flusher;
    this.#mustFollow = mustFollow;
  }

  follows(): boolean {
    return this.#mustFollow || this.#indexes.follows(this.#unit, this.#reserved);
  }

  placed(at: JournalPosition): void {
    this.#indexes.place(this.#unit, at);
    this.#flusher.poke();
  }

  released(_error: WeirError): void {
    this.#indexes.release(this.#unit);
  }
}
