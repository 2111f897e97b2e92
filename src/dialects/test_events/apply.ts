/**
 * One POST of test events: rows in, records and an outcome a row out.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { Outcomes } from "../../base/outcome.ts";
import type { Unit } from "../../base/record.ts";
import { findMember } from "../../parse/member.ts";
import type { RowWindow } from "../../parse/window.ts";
import type { ClosedBody, Ingest, Reply } from "../dialect.ts";
import { mendSurrogates } from "../surrogates.ts";
import { checkRow } from "./schema.ts";
import { writeEvent } from "./write_event.ts";

/** Who sends, and when. */
export interface EventScene {
  readonly project: string;
  /** Ms since the epoch. */
  readonly arrivedAt: number;
}

/** One request on its way; see {@link Ingest}. */
export class TestEventIngest implements Ingest {
  readonly needsEnvelope = false;
  readonly #sender: EventScene | WeirError;

  /** @param sender What the events have in common, or why the sender is refused. */
  constructor(sender: EventScene | WeirError) {
    this.#sender = sender;
  }

  get scope(): string | undefined {
    return this.#sender instanceof WeirError ? undefined : this.#sender.project;
  }

  take(window: RowWindow, unit: Unit, outcomes: Outcomes): void {
    const scene = this.#sender;
    // Nothing is stored then; the body is still read, because a bad one is told before bad credentials.
    if (scene instanceof WeirError) return window.settle();
    for (let i = 0; i < window.count; i++) {
      const position = window.firstIndex + i;
      const malformed = window.malformed(i);
      if (malformed !== undefined) {
        outcomes.reject(position, "malformed", malformed);
        continue;
      }
      const data = dataOf(window, i);
      const row = checkRow(asStored(window, i, data), scene.arrivedAt);
      if (row.problem !== undefined) {
        outcomes.reject(position, "validation", row.problem);
        continue;
      }
      writeEvent(unit, scene.project, row.head, data);
      outcomes.accepted++;
    }
  }

  admit(): void {
    if (this.#sender instanceof WeirError) throw this.#sender;
  }

  close({ rowsKey }: ClosedBody, outcomes: Outcomes): void {
    if (rowsKey === undefined) throw new WeirError("invalid_body", "Member events must be an array");
    if (outcomes.rows === 0 && !(this.#sender instanceof WeirError)) {
      throw new WeirError("invalid_body", "Member events must hold at least one event");
    }
  }

  reply({ accepted, rejected, duplicates }: Outcomes): Reply {
    const body = { accepted, rejected, duplicates: duplicates || undefined };
    return { status: 202, body: JSON.stringify(body) };
  }
}

/** The message as it is copied; without halves of surrogate pairs. */
function dataOf(window: RowWindow, i: number): string | DataSpan {
  const span = findMember(window.bytes, window.start(i), window.end(i), "data");
  if (span === undefined) return "{}";
  if (!window.hasUnicodeEscape) return { bytes: window.bytes, ...span };
  const bytes = window.bytes.slice(span.start, span.end);
  mendSurrogates(bytes, 0, bytes.length);
  return { bytes, start: 0, end: bytes.length };
}

interface DataSpan {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

const decoder = new TextDecoder();

/** The row with the message that is stored: protobuf knows no halves of surrogate pairs. */
function asStored(window: RowWindow, i: number, data: string | DataSpan): unknown {
  const row = window.value(i);
  if (typeof data === "string" || !window.hasUnicodeEscape) return row;
  return { ...row as Record<string, unknown>, data: JSON.parse(decoder.decode(data.bytes)) };
}
