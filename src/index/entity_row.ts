/**
 * Profiles and groups as they stand, and what an operation makes of them (contract `track`, 4.3 and Decision 9).
 *
 * A state is a fold over operations in the order of the journal. It remembers how far it goes, so that an operation
 * counts once, however often it is read back.
 * @module
 */

import type { JournalPosition } from "../journal/segment.ts";
import { mergeDeep, mergeShallow, mergeText, type Properties } from "./merge.ts";
import { stepAt } from "./step.ts";

/** What has a state. */
export type EntityKind = "profile" | "group";

/** Columns of a profile that tell of the device and the place where it was last seen. */
const deviceColumns = [
  ...["os", "os_version", "browser", "browser_version", "device", "brand", "model"],
  ...["country", "city", "region", "longitude", "latitude"],
] as const;

/** A state of more characters than this takes nothing more: everybody who may send may make it grow. */
export const maxEntityCharacters = 256 * 1024;
/** What a step adds to a state, at the most, beside the bytes of its operation. */
const stepCharacters = 512;

/** The state of a profile or group; its members are the columns of its line in a part. */
export interface EntityRow {
  kind: EntityKind;
  project_id: string;
  /** When it was first heard of, ISO 8601. */
  created_at: string;
  id: string;
  /** Operations that made a difference. */
  version: number;
  /** Time of the latest of them, ISO 8601. */
  updated_at: string;
  /** Segment and offset of the last operation that is in this state. */
  journal: [number, number];
  properties: Properties;
  /** Further columns: names, groups, device, place. */
  [column: string]: unknown;
}

/** An operation, as its line in the journal has it. */
export interface Operation {
  readonly op: "identify" | "seen" | "increment" | "decrement" | "assign_group" | "group";
  readonly project_id: string;
  readonly created_at: string;
  readonly device_id: string;
  readonly profile_id?: string;
  readonly group_id?: string;
  readonly [column: string]: unknown;
}

/** Why an operation makes no difference. */
export type OperationProblem = "not_a_number" | "too_large";

/** The key under which a state is kept: no two share one. */
export function entityKey(kind: EntityKind, project: string, id: string): string {
  return `${kind}:${project.length}:${project}${id}`;
}

/** The key of what an operation changes. */
export function operationKey(operation: Operation): string {
  const { op, project_id: project, profile_id = "", group_id = "" } = operation;
  return op === "group" ? entityKey("group", project, group_id) : entityKey("profile", project, profile_id);
}

/** Is an operation that lies here in the state already? */
export function holdsOperation({ journal }: EntityRow, { segment, offset }: JournalPosition): boolean {
  return segment < journal[0] || (segment === journal[0] && offset <= journal[1]);
}

/** A state that operations are folded into. */
export class EntityState {
  #row: EntityRow | undefined;
  /** At least the characters of its JSON. */
  #characters: number;

  /** @param text The state as JSON; undefined where there is none yet. */
  constructor(text: string | undefined) {
    this.#row = text === undefined ? undefined : JSON.parse(text) as EntityRow;
    this.#characters = text?.length ?? 0;
  }

  /** Undefined where there is none yet. */
  get row(): EntityRow | undefined {
    return this.#row;
  }

  /** Characters of its JSON, perhaps some more. */
  get characters(): number {
    return this.#characters;
  }

  /**
   * Makes of the state what it is after an operation. Whether that makes a difference depends on nothing but the
   * state, the operation and the bytes of its line.
   * @returns why the state is as before; undefined when it is not
   */
  fold(
    operation: Operation,
    at: JournalPosition & { readonly lineBytes: number },
  ): OperationProblem | "unchanged" | undefined {
    const growth = at.lineBytes + stepCharacters;
    if (this.#row !== undefined && this.#characters + growth > maxEntityCharacters) {
      this.#characters = entityText(this.#row).length;
      if (this.#characters + growth > maxEntityCharacters) return "too_large";
    }
    const next = this.#row ?? emptyRow(operation);
    const problem = apply(next, operation, this.#row === undefined);
    if (problem !== undefined) return problem;
    next.version++;
    if (operation.created_at > next.updated_at) next.updated_at = operation.created_at;
    next.journal = [at.segment, at.offset];
    this.#row = next;
    this.#characters += growth;
    return undefined;
  }
}

/** A state as JSON, its properties last. */
export function entityText(row: EntityRow): string {
  const { properties, journal, ...columns } = row;
  return JSON.stringify({ ...columns, journal, properties });
}

function emptyRow({ op, project_id, created_at, profile_id, group_id }: Operation): EntityRow {
  const isGroup = op === "group";
  return {
    kind: isGroup ? "group" : "profile",
    project_id,
    created_at,
    id: (isGroup ? group_id : profile_id) ?? "",
    version: 0,
    updated_at: created_at,
    journal: [0, 0],
    properties: {},
  };
}

function apply(
  row: EntityRow,
  operation: Operation,
  isFirst: boolean,
): OperationProblem | "unchanged" | undefined {
  switch (operation.op) {
    case "identify":
      return identify(row, operation);
    case "seen":
      return seen(row, operation);
    case "increment":
    case "decrement":
      return step(row, operation);
    case "assign_group":
      return assignGroups(row, operation);
    case "group":
      return describeGroup(row, operation, isFirst);
  }
}

function identify(row: EntityRow, operation: Operation): undefined {
  row.is_external = true;
  for (const name of ["first_name", "last_name", "email", "avatar"]) mergeText(row, name, operation[name]);
  mergeDevice(row, operation);
  notice(row, operation);
  mergeDeep(row.properties, operation.properties);
}

/** Old events are told of late: what they say of the device is true of another time. */
function seen(row: EntityRow, operation: Operation): undefined {
  row.is_external ??= true;
  if (notice(row, operation) || row.device === undefined) mergeDevice(row, operation);
}

/** @returns whether nothing later is known of the profile */
function notice(row: EntityRow, { created_at }: Operation): boolean {
  if (typeof row.last_seen_at === "string" && created_at < row.last_seen_at) return false;
  row.last_seen_at = created_at;
  return true;
}

/** A server that speaks for a person knows nothing of the device that person has. */
function mergeDevice(row: EntityRow, operation: Operation): void {
  if (operation.device === "server" && row.device !== undefined && row.device !== "server") return;
  for (const name of deviceColumns) mergeText(row, name, operation[name]);
}

function step(row: EntityRow, operation: Operation): OperationProblem | undefined {
  row.is_external ??= operation.profile_id !== operation.device_id;
  const value = Number(operation.value);
  const by = operation.op === "decrement" ? -value : value;
  return stepAt(row.properties, String(operation.property), by) ? undefined : "not_a_number";
}

function assignGroups(row: EntityRow, operation: Operation): undefined {
  row.is_external ??= operation.profile_id !== operation.device_id;
  const known = Array.isArray(row.groups) ? row.groups : [];
  const added = Array.isArray(operation.group_ids) ? operation.group_ids : [];
  row.groups = [...new Set([...known, ...added])];
}

function describeGroup(row: EntityRow, operation: Operation, isFirst: boolean): "unchanged" | undefined {
  let isChanged = isFirst;
  for (const name of ["type", "name"]) {
    if (operation[name] === row[name]) continue;
    row[name] = operation[name];
    isChanged = true;
  }
  if (mergeShallow(row.properties, operation.properties)) isChanged = true;
  return isChanged ? undefined : "unchanged";
}
