/**
 * Brings profiles and groups up to date with the operations of a flush: the same fold as on the main thread, over the
 * same lines, into the catalog's open transaction.
 * @module
 */

import { recordKinds, type RowKind, rowPlace } from "../base/record.ts";
import type { CheckpointWriter } from "../catalog/checkpoint.ts";
import {
  entityKey,
  type EntityRow,
  EntityState,
  entityText,
  holdsOperation,
  type Operation,
  operationKey,
  type OperationProblem,
} from "../index/entity_row.ts";
import { rowExtentStride, type RowsPlan } from "../index/plan.ts";
import type { JournalPosition } from "../journal/segment.ts";
import type { ExtentReader } from "./extents.ts";
import { LineCutter } from "./lines.ts";

const rowShape = { stride: rowExtentStride, first: 0 };
const operationPrefix = `${recordKinds.operation.directory}/`;
/** States held between two operations on them. */
const maxHeld = 1_000;

const decoder = new TextDecoder();

/** What {@link EntityUpdate} works with. */
export interface EntityTools {
  readonly writer: CheckpointWriter;
  readonly extents: ExtentReader;
}

/** One flush's changes to profiles and groups. */
export class EntityUpdate {
  readonly #tools: EntityTools;
  /** States that were changed, the one used last at the end. */
  readonly #held = new Map<string, EntityState>();
  /** Keys of all that were changed, by the partition that their line goes to. */
  readonly #changed = new Map<string, string>();

  readonly #ignored: Record<OperationProblem, number> = { not_a_number: 0, too_large: 0 };

  constructor(tools: EntityTools) {
    this.#tools = tools;
  }

  /** Folds the operations among these rows, in the order of the journal, whatever their partitions. */
  fold(rows: readonly RowsPlan[]): void {
    const extents = inOrder(rows.filter(({ partition }) => partition.startsWith(operationPrefix)));
    let at = 0, extent = -1;
    const lines = new LineCutter((line) => {
      this.#apply(line, { segment: extents[extent * rowExtentStride], offset: at });
      at += line.length + 1;
    });
    this.#tools.extents.read(extents, rowShape, (bytes, i) => {
      if (i !== extent) {
        extent = i;
        at = extents[i * rowExtentStride + 1];
      }
      lines.push(bytes);
    });
    for (const [key, state] of this.#held) this.#put(key, state);
    this.#held.clear();
  }

  /** Operations that made no difference because of what the state was. */
  get ignored(): Readonly<Record<OperationProblem, number>> {
    return this.#ignored;
  }

  /** The partitions that get lines. */
  partitions(): string[] {
    return [...new Set(this.#changed.values())].sort();
  }

  /** The lines of a partition, line breaks included. */
  *lines(partition: string): Generator<string, void, undefined> {
    for (const [key, place] of this.#changed) {
      if (place === partition) yield `${this.#tools.writer.entity(key)}\n`;
    }
  }

  #apply(bytes: Uint8Array, at: JournalPosition): void {
    const operation = JSON.parse(decoder.decode(bytes)) as Operation;
    const key = operationKey(operation);
    const state = this.#held.get(key) ?? new EntityState(this.#tools.writer.entity(key));
    this.#hold(key, state);
    if (state.row !== undefined && holdsOperation(state.row, at)) return;
    // The line break counts, as it does on the main thread.
    const problem = state.fold(operation, { ...at, lineBytes: bytes.length + 1 });
    if (problem === undefined) this.#changed.set(key, placeOf(state.row!));
    else if (problem !== "unchanged") this.#ignored[problem]++;
  }

  #hold(key: string, state: EntityState): void {
    this.#held.delete(key);
    this.#held.set(key, state);
    if (this.#held.size <= maxHeld) return;
    const [[oldest, used]] = this.#held;
    this.#held.delete(oldest);
    this.#put(oldest, used);
  }

  #put(key: string, { row }: EntityState): void {
    if (row !== undefined) this.#tools.writer.putEntity(key, row.version, entityText(row));
  }
}

/** The state that stands in a line of a part, with its key; undefined where the line is of another kind. */
export function entityOf(line: Uint8Array): { key: string; row: EntityRow } | undefined {
  const row = JSON.parse(decoder.decode(line)) as EntityRow;
  if (row.kind !== "profile" && row.kind !== "group") return undefined;
  return { key: entityKey(row.kind, row.project_id, row.id), row };
}

/** Folders whose lines are states. */
export const entityFolders: readonly string[] = [
  recordKinds.profile.directory,
  recordKinds.group.directory,
];

function placeOf({ kind, project_id, updated_at }: EntityRow): string {
  return rowPlace(kind satisfies RowKind, project_id, updated_at.slice(0, 10)).partition;
}

/** The extents of several partitions as one list, as they lie in the journal. */
function inOrder(rows: readonly RowsPlan[]): Float64Array {
  const extents: Float64Array[] = [];
  for (const { extents: numbers } of rows) {
    for (let i = 0; i < numbers.length; i += rowExtentStride) {
      extents.push(numbers.subarray(i, i + rowExtentStride));
    }
  }
  extents.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const sorted = new Float64Array(extents.length * rowExtentStride);
  extents.forEach((extent, i) => sorted.set(extent, i * rowExtentStride));
  return sorted;
}
