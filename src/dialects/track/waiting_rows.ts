/**
 * Rows of a body that wait until the other daemons were asked about their sessions: several windows are asked about at
 * once, which costs one round trip in place of one for each.
 * @module
 */

import type { Outcomes } from "../../base/outcome.ts";
import type { Identity, Unit } from "../../base/record.ts";
import type { RowWindow } from "../../parse/window.ts";
import type { SharedSessions } from "../../sessions/shared_sessions.ts";
import { WindowQuestions } from "../../sessions/window_questions.ts";
import type { Sender } from "./sender.ts";

/** Past this the others are asked: what waits lies beside all that the body needs anyway. */
const maxHeldBytes = 64 * 1024;
/** A window that is larger is not held. */
const maxCopyBytes = 256 * 1024;

/** The rows of a window from one on, and who sent them. */
export interface RowsFrom {
  readonly window: RowWindow;
  readonly from: number;
  readonly sender: Sender;
}

/** What rows are taken into. */
export interface Taken {
  readonly unit: Unit;
  readonly outcomes: Outcomes;
}

/** What {@link WaitingRows} works with. */
export interface WaitingRowsOptions {
  readonly shared: SharedSessions;
  /** Takes rows up to the first one about which must be asked; answers which that is. */
  take(rows: RowsFrom, into: Taken): number;
  /**
   * Looks at rows as if they were taken, and takes down what must be asked about them.
   * @returns stand-ins for the identities that the rows get when they are taken
   */
  look(rows: RowsFrom, questions: WindowQuestions): readonly (Identity | undefined)[];
}

/** Rows that wait, in order. */
export class WaitingRows {
  readonly #options: WaitingRowsOptions;
  #rows: RowsFrom[] = [];
  #heldBytes = 0;
  #questions = new WindowQuestions();
  #identities: Identity[] = [];

  constructor(options: WaitingRowsOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0;
  }

  /** Bytes of the rows that wait. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Lets rows wait behind the others; when these are many, all are asked about, and taken.
   * @param of.mayWait May they wait for {@link settle}?
   * @throws WeirError `claims_unavailable`
   */
  add(rows: RowsFrom, into: Taken, of: { mayWait: boolean }): void | Promise<void> {
    this.#look(rows);
    if (of.mayWait && this.#hold(rows)) return;
    this.#rows.push(rows);
    return this.#ask(into, []);
  }

  /**
   * Takes the rows that wait, and claims all of the unit that have an identity: one round trip, mostly.
   * @throws WeirError `claims_unavailable`
   */
  async settle(into: Taken): Promise<void> {
    const asked = new Map<string, Identity>();
    if (!this.isEmpty) {
      for (const identity of [...into.unit.identities, ...this.#identities]) {
        if (identity !== undefined) asked.set(identity.key, identity);
      }
      await this.#ask(into, [...asked.values()]);
    }
    const unasked: Identity[] = [];
    for (const identity of into.unit.identities) {
      if (identity === undefined) continue;
      const standIn = asked.get(identity.key);
      if (standIn === undefined) unasked.push(identity);
      else identity.first ??= standIn.first;
    }
    if (unasked.length > 0) await this.#options.shared.rows.claim(unasked);
  }

  #look(rows: RowsFrom): void {
    for (const identity of this.#options.look(rows, this.#questions)) {
      if (identity !== undefined) this.#identities.push(identity);
    }
  }

  /** @returns whether the rows wait; if not, it is time to ask */
  #hold({ window, from, sender }: RowsFrom): boolean {
    const bytes = window.end(window.count - 1) - window.start(from);
    // At least two windows are asked about at once, unless they are very large.
    const isDue = !this.isEmpty && this.#heldBytes + bytes > maxHeldBytes;
    if (isDue || bytes > maxCopyBytes) return false;
    this.#rows.push({ window: window.copyFrom(from), from: 0, sender });
    this.#heldBytes += bytes;
    return true;
  }

  /** Asks about all rows that wait, and takes them; where more must be asked all the same, it is. */
  async #ask(into: Taken, identities: readonly Identity[]): Promise<void> {
    const { shared, take } = this.#options;
    const [waited, questions] = [this.#rows, this.#questions];
    [this.#rows, this.#heldBytes] = [[], 0];
    [this.#questions, this.#identities] = [new WindowQuestions(), []];
    await shared.learn(questions, identities);
    for (const rows of waited) {
      for (let from = rows.from;;) {
        from = take({ ...rows, from }, into);
        if (from === rows.window.count) break;
        const again = new WindowQuestions();
        this.#options.look({ ...rows, from }, again);
        await shared.learn(again);
      }
    }
  }
}
