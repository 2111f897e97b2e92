/**
 * One POST of dialect `backend`: entries or events in, records and a verdict for each out.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { Outcomes } from "../../base/outcome.ts";
import type { Unit } from "../../base/record.ts";
import type { RowWindow } from "../../parse/window.ts";
import type { ClosedBody, Ingest, Reply } from "../dialect.ts";
import { writeEntry } from "./entries.ts";
import type { EntryScene, SentEntry } from "./entry_source.ts";
import { EntryRefusal } from "./refusal.ts";
import { Span } from "./spans.ts";

/** What the rows of a body are. */
export interface RowTrade {
  /** The member of the body that holds them. */
  readonly rowsKey: string;
  /**
   * Adds the records of one row to the unit.
   * @throws EntryRefusal
   */
  write(sent: SentEntry, scene: EntryScene, unit: Unit): void;
}

const entryTrade: RowTrade = { rowsKey: "entries", write: writeEntry };

/** One request on its way; see {@link Ingest}. */
export class BackendIngest implements Ingest {
  readonly needsEnvelope = false;
  readonly #sender: EntryScene | WeirError;
  readonly #trade: RowTrade;

  /**
   * @param sender What the rows have in common, or why the sender is refused.
   * @param trade What they are. @default entries
   */
  constructor(sender: EntryScene | WeirError, trade: RowTrade = entryTrade) {
    this.#sender = sender;
    this.#trade = trade;
  }

  get scope(): string | undefined {
    return this.#sender instanceof WeirError ? undefined : this.#sender.app;
  }

  take(window: RowWindow, unit: Unit, outcomes: Outcomes): void {
    const scene = this.#sender;
    // Nothing is stored then; the body is still read, because a bad one is told before bad credentials.
    if (scene instanceof WeirError) return window.settle();
    for (let i = 0; i < window.count; i++) this.#takeEntry({ window, i, scene }, unit, outcomes);
  }

  admit(): void {
    if (this.#sender instanceof WeirError) throw this.#sender;
  }

  close({ envelope, rowsKey }: ClosedBody): void {
    if (rowsKey !== undefined) return;
    const name = this.#trade.rowsKey;
    if (envelope[name] !== undefined && envelope[name] !== null) {
      throw new WeirError("invalid_body", `Member ${name} must be an array`);
    }
  }

  reply({ accepted, rejected, duplicates }: Outcomes): Reply {
    const ok = accepted > 0 || rejected.length === 0;
    const body = { ok, accepted, rejected, duplicates: duplicates || undefined };
    return { status: ok ? 201 : 422, body: JSON.stringify(body) };
  }

  #takeEntry(
    { window, i, scene }: { window: RowWindow; i: number; scene: EntryScene },
    unit: Unit,
    outcomes: Outcomes,
  ): void {
    const position = window.firstIndex + i;
    const malformed = window.malformed(i);
    if (malformed !== undefined) return outcomes.reject(position, "malformed", malformed);
    const value = window.value(i);
    const span = new Span(window.bytes, window.start(i), window.end(i));
    const mark = unit.mark();
    try {
      this.#trade.write({ value, span, position, hasUnicodeEscape: window.hasUnicodeEscape }, scene, unit);
      outcomes.accepted++;
    } catch (error) {
      unit.rollback(mark);
      if (!(error instanceof EntryRefusal)) throw error;
      outcomes.reject(position, error.reason, error.message);
    }
  }
}
