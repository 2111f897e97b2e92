/**
 * Why an entry is not taken.
 * @module
 */

import type { RejectionReason } from "../../base/outcome.ts";

/** Ends the work on one entry; caught where the entry began, so it never leaves the dialect. */
export class EntryRefusal extends Error {
  override readonly name = "EntryRefusal";
  readonly reason: RejectionReason;

  /** @param message For the sender; never holds a value of the entry. */
  constructor(reason: RejectionReason, message: string) {
    super(message);
    this.reason = reason;
  }
}
