/**
 * Profiles and groups as of now: what the catalog has of them, and the operations on it that no flush has written.
 * @module
 */

import type { CatalogReader } from "./catalog_reader.ts";
import {
  entityKey,
  type EntityKind,
  type EntityRow,
  EntityState,
  holdsOperation,
  type Operation,
  operationKey,
} from "./entity_row.ts";
import type { JournalPosition } from "../journal/segment.ts";
import type { IndexSize } from "./row_index.ts";

/** What a state costs besides its characters: objects, names, the map's entry. */
const entityBytes = 600;
const bytesPerCharacter = 3;

interface OpenEntity {
  /** Undefined while what the catalog has could not be read. */
  readonly state: EntityState | undefined;
  /** Segment of its last operation. */
  segment: number;
}

/**
 * The states that operations have changed since the flush that last wrote them.
 *
 * - The worker makes the same fold over the same lines, so a state that is dropped here stands in the catalog.
 * - What the journal has not stored is not in here.
 */
export class OpenEntities {
  readonly #catalog: CatalogReader;
  readonly #open = new Map<string, OpenEntity>();
  #characters = 0;
  #planned = 0;

  constructor(catalog: CatalogReader) {
    this.#catalog = catalog;
  }

  /**
   * The state of a profile or group; undefined when it is not known. It must not be changed.
   * @throws what the catalog throws
   */
  find(kind: EntityKind, project: string, id: string): EntityRow | undefined {
    const key = entityKey(kind, project, id);
    // One that failed to be read is read again, so that whoever asks is told.
    return (this.#open.get(key)?.state ?? new EntityState(this.#catalog.entity(key))).row;
  }

  /** An operation is stored; they come in the order of the journal. */
  apply(line: Uint8Array, at: JournalPosition): void {
    const operation = JSON.parse(new TextDecoder().decode(line)) as Operation;
    const key = operationKey(operation);
    let open = this.#open.get(key);
    if (open === undefined) this.#open.set(key, open = this.#begin(key));
    open.segment = at.segment;
    const { state } = open;
    if (state === undefined || (state.row !== undefined && holdsOperation(state.row, at))) return;
    this.#characters -= state.characters;
    state.fold(operation, { ...at, lineBytes: line.length });
    this.#characters += state.characters;
  }

  /** Is an operation that was read back part of the state that the catalog has? */
  isWritten(line: Uint8Array, at: JournalPosition): boolean {
    const operation = JSON.parse(new TextDecoder().decode(line)) as Operation;
    const { row } = new EntityState(this.#catalog.entity(operationKey(operation)));
    return row !== undefined && holdsOperation(row, at);
  }

  /** A flush writes every operation before this segment. */
  plan(checkpoint: number): void {
    this.#planned = checkpoint;
  }

  /** The catalog has what the last plan covered. */
  committed(): void {
    for (const [key, { segment, state }] of this.#open) {
      if (segment >= this.#planned) continue;
      this.#open.delete(key);
      this.#characters -= state?.characters ?? 0;
    }
  }

  size(): IndexSize {
    const entries = this.#open.size;
    return { entries, bytes: entries * entityBytes + this.#characters * bytesPerCharacter };
  }

  #begin(key: string): OpenEntity {
    try {
      const state = new EntityState(this.#catalog.entity(key));
      this.#characters += state.characters;
      return { state, segment: 0 };
    } catch {
      // The operation is stored, and the flush will count it; until then whoever asks for the state hears of the
      // catalog that cannot be read.
      return { state: undefined, segment: 0 };
    }
  }
}
