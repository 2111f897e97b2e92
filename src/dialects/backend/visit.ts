/**
 * Sessions of the browser SDK begin and end: POST `/v1/sessions` and `/v1/sessions/:sid/finish` (contract `backend`, 1).
 * Each leaves a row of kind `visit`.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import { dayOf, rowPlace, type Unit } from "../../base/record.ts";
import type { Outcomes } from "../../base/outcome.ts";
import type { RowWindow } from "../../parse/window.ts";
import { holdsLoneSurrogate } from "../well_formed.ts";
import type { Ingest, Reply } from "../dialect.ts";
import { sentTime } from "./entry_source.ts";
import { isObject, type Members } from "./schema.ts";

/** Whose visit it is. */
export interface VisitScene {
  readonly app: string;
  readonly sid: string;
  /** The id of the row. */
  readonly id: string;
  /** ms since the epoch. */
  readonly arrivedAt: number;
}

/** What a visit's row says, and what its sender is answered. */
export interface VisitTold {
  readonly columns: Members;
  readonly answer: Members;
}

/** One request on its way; see {@link Ingest}. */
export class VisitIngest implements Ingest {
  readonly needsEnvelope = false;
  readonly #sender: VisitScene | WeirError;
  readonly #tell: (body: Members) => VisitTold;
  #answer: Members = {};

  /**
   * @param sender Whose visit it is, or why the sender is refused.
   * @param tell What comes of the body.
   */
  constructor(sender: VisitScene | WeirError, tell: (body: Members) => VisitTold) {
    this.#sender = sender;
    this.#tell = tell;
  }

  get scope(): string | undefined {
    return this.#sender instanceof WeirError ? undefined : this.#sender.app;
  }

  /** No body is as good as an empty object. */
  takeWhole(body: Uint8Array, unit: Unit, outcomes: Outcomes): boolean {
    if (body.length > 0) return false;
    this.admit();
    this.#write({}, unit);
    outcomes.accepted++;
    return true;
  }

  take(window: RowWindow, unit: Unit, outcomes: Outcomes): void {
    if (this.#sender instanceof WeirError) return window.settle();
    const body = window.value(0);
    this.#write(isObject(body) ? body : {}, unit);
    outcomes.accepted++;
  }

  admit(): void {
    if (this.#sender instanceof WeirError) throw this.#sender;
  }

  close(): void {
    // A body that is an object is all that is asked for.
  }

  reply(): Reply {
    return { status: 201, body: JSON.stringify(this.#answer) };
  }

  #write(body: Members, unit: Unit): void {
    const sender = this.#sender;
    if (sender instanceof WeirError) return;
    const { columns, answer } = this.#tell(body);
    const { app, sid, id, arrivedAt: t } = sender;
    this.#answer = answer;
    const row = { kind: "visit", app, created_at: new Date(t).toISOString(), id, sid, t, ...columns };
    if (holdsLoneSurrogate(row)) throw new WeirError("validation", "Texts must be well-formed");
    unit.writer.text(JSON.stringify(row));
    unit.close(rowPlace("visit", app, dayOf(t)));
  }
}

/** `{clientTime?}` to `{sessionId, clockOffsetMs}`: how far the daemon's clock is ahead of the sender's. */
export function beginVisit({ sid, arrivedAt }: VisitScene): (body: Members) => VisitTold {
  return ({ clientTime }) => {
    const offset = typeof clientTime === "number" ? arrivedAt - clientTime : 0;
    const columns = {
      state: "started",
      client_time: typeof clientTime === "number" ? clientTime : null,
      clock_offset_ms: offset,
    };
    return { columns, answer: { sessionId: sid, clockOffsetMs: offset } };
  };
}

/** `{notes?}` to `{viewerUrl}`. */
export function finishVisit(viewerUrl: string): (body: Members) => VisitTold {
  return ({ notes, t }) => ({
    columns: { state: "finished", notes: notes ?? null, client_time: sentTime(t) ?? null },
    answer: { viewerUrl },
  });
}
