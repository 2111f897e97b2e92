/**
 * What became of a row. Rows are stamped with outcomes, never removed: the outcomes of a body keep the length
 * and the order of its rows.
 * @module
 */

/** The words for why a row was refused; the same in replies, metrics and `data/rejected/`. */
export const rejectionReasons = {
  validation: "The row does not fit the dialect's schema or one of its rules",
  malformed: "The line of an NDJSON body is no JSON value",
  bad_batch_index: "The batch index is negative, fractional or not finite",
  trace_not_json: "The trace is a string that is no JSON",
  trace_not_an_array: "The trace is JSON, but no array",
  no_request_id: "The entry carries a trace or request, but no request id",
  internal: "The daemon failed on this row; sending it again may help",
} as const;

/** One word of {@link rejectionReasons}. */
export type RejectionReason = keyof typeof rejectionReasons;

/** A row that was not taken. */
export interface Rejection {
  /** Position in the body, from 0. */
  index: number;
  reason: RejectionReason;
  /** For people; never holds the row's values. */
  error: string;
}

/** The outcomes of one body, counted, with the refused rows by name. */
export class Outcomes {
  accepted = 0;
  /** Accepted rows that were stored before; they are part of `accepted`. */
  duplicates = 0;
  readonly rejected: Rejection[] = [];

  reject(index: number, reason: RejectionReason, error: string): void {
    this.rejected.push({ index, reason, error });
  }

  /** Rows seen so far. */
  get rows(): number {
    return this.accepted + this.rejected.length;
  }
}
