/**
 * One file of a request, read from its row: what is to be written, or why it cannot be.
 * @module
 */

import { toWeirError, WeirError } from "../../base/errors.ts";
import type { Config } from "../../config/schema.ts";
import type { RowWindow } from "../../parse/window.ts";
import { checkedSize, fileContent } from "./content.ts";
import { baseName, isFileName, shownName } from "./names.ts";
import { readPlainRow } from "./plain_row.ts";

/** One file that is to be written. */
export interface Item {
  /** Position in the request, from 0. */
  readonly index: number;
  /** The name it gets; of one that is refused, what may be shown of it. */
  readonly fileName: string;
  /** As sent; undefined when none was. */
  readonly directory: string | undefined;
  /** Undefined once there is a problem, and once it is written. */
  bytes: Uint8Array | undefined;
  /** Why this file, and no other, is not written. */
  problem: WeirError | undefined;
}

/** A row that is no file at all: the request as a whole is refused with this text. */
export class FlawedRow {
  readonly missing: boolean;
  readonly text: string;

  constructor(text: string, missing = false) {
    this.text = text;
    this.missing = missing;
  }
}

/** Reads row i of a window. */
export function readItem(
  window: RowWindow,
  i: number,
  { trace_files: settings, limits }: Pick<Config, "trace_files" | "limits">,
): Item | FlawedRow {
  const index = window.firstIndex + i;
  const sentBytes = window.end(i) - window.start(i);
  const maxBytes = settings.max_file_bytes;
  const plain = readPlainRow(window.bytes, window.start(i), window.end(i));
  if (plain !== undefined) {
    window.trust(i);
    return newItem({ ...plain, index, settings }, () => checkedSize(plain.bytes, maxBytes));
  }
  const value = window.value(i);
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return new FlawedRow("must be an object");
  }
  const { traceData, fileName, outputDirectory } = value as Record<string, unknown>;
  if (isMissing(fileName) || traceData === undefined || traceData === null) {
    return new FlawedRow("missing required fields", true);
  }
  if (typeof fileName !== "string") return new FlawedRow("fileName must be a string");
  const directory = readDirectory(outputDirectory);
  if (directory instanceof FlawedRow) return directory;
  const { hasUnicodeEscape } = window;
  return newItem(
    { fileName, directory, index, settings },
    () => fileContent(traceData, maxBytes, { sentBytes, maxDepth: limits.max_depth, hasUnicodeEscape }),
  );
}

/** @param content The bytes of the file; what it throws is the item's problem. */
function newItem(
  { fileName, directory, index, settings }: {
    fileName: string;
    directory: string | undefined;
    index: number;
    settings: Config["trace_files"];
  },
  content: () => Uint8Array,
): Item {
  const name = settings.names === "basename" ? baseName(fileName) : fileName;
  const item: Item = { index, fileName: name, directory, bytes: undefined, problem: undefined };
  if (!isFileName(name)) {
    const problem = new WeirError("invalid_file_name", "The file name is not one plain path segment");
    return { ...item, fileName: shownName(fileName), problem };
  }
  try {
    item.bytes = content();
  } catch (error) {
    item.problem = toWeirError(error);
  }
  return item;
}

/** A directory as sent; one that is absent, null or "" is none. */
export function readDirectory(value: unknown): string | undefined | FlawedRow {
  if (isMissing(value)) return undefined;
  return typeof value === "string" ? value : new FlawedRow("outputDirectory must be a string");
}

function isMissing(value: unknown): value is undefined | null | "" {
  return value === undefined || value === null || value === "";
}
