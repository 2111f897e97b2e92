/**
 * Claims: the exclusive right to do something once.
 *
 * A claim is taken as pending, under a token that only its owner knows, for a short time; it becomes done once
 * the records it stands for are in the journal. When the owner dies, the time runs out and somebody else takes
 * it over. Each hand-over raises the fencing number, which goes into the record, so that readers prefer the
 * later owner. A claim only ever saves work: no row is dropped because of a claim that is not done.
 * @module
 */

/** What a claim is asked for. */
export interface ClaimRequest {
  /** What is to be done once, such as `session_start:<project>:<session>`. */
  readonly key: string;
  /** How long the claim stays pending without being done, in ms. */
  readonly pendingMs: number;
}

/**
 * - `taken`: ours now; `takenOver` when an owner before us let its time run out.
 * - `pending`: somebody else's, not done yet.
 * - `done`: was done before.
 */
export type ClaimAnswer =
  | { readonly state: "taken"; readonly token: string; readonly fence: number; readonly takenOver: boolean }
  | { readonly state: "pending"; readonly fence: number }
  | { readonly state: "done"; readonly fence: number };

/** A claim that was taken, as its owner names it. */
export interface HeldClaim {
  readonly key: string;
  readonly token: string;
}

/** Where claims are kept: memory for one daemon, Redis for many. */
export interface Claims {
  /** Takes all of them in one round trip; the answers stand in the order of the requests. */
  take(requests: readonly ClaimRequest[]): Promise<ClaimAnswer[]>;
  /**
   * Marks claims as done for `keepMs`. One that another owner took over meanwhile stays theirs.
   * @returns for each, whether it was still ours
   */
  done(claims: readonly HeldClaim[], keepMs: number): Promise<boolean[]>;
  /** Gives claims back, undone, so that the next one need not wait. One that is no longer ours is left alone. */
  release(claims: readonly HeldClaim[]): Promise<void>;
  /** Stops using whatever is behind it. */
  close(): Promise<void>;
}
