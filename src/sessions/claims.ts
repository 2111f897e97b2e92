/**
 * Claims: the exclusive right to do something once.
 *
 * A claim is taken as pending, under a token that only its owner knows, for a short time; it becomes done once
 * the records it stands for are in the journal. When the owner dies, the time runs out and somebody else takes
 * it over. Each hand-over raises the fencing number, which goes into the record, so that readers prefer the
 * later owner. A claim only ever saves work: no row is dropped because of a claim that is not done.
 * @module
 */

/** A claim, as its owner names it. */
export interface HeldClaim {
  /** What is to be done once. */
  readonly key: string;
  readonly token: string;
}

/** What a claim is asked for. */
export interface ClaimRequest extends HeldClaim {
  /** How long the claim stays pending without being done, in ms. */
  readonly pendingMs: number;
}

/** What is told of a claim that is done. */
export interface DoneClaim extends HeldClaim {
  /** How long it is known to be done, in ms. */
  readonly keepMs: number;
  /** What those are told who ask for it later. @default what was told before, or nothing */
  readonly memo?: string;
}

/**
 * - `taken`: the asker's; `takenOver` when another owner before let its time run out.
 * - `pending`: somebody else's, not done yet.
 * - `done`: was done before; `memo` is empty where none was given.
 */
export type ClaimAnswer =
  | { readonly state: "taken"; readonly fence: number; readonly takenOver: boolean }
  | { readonly state: "pending"; readonly fence: number }
  | { readonly state: "done"; readonly fence: number; readonly memo: string };

/** How long a pending claim whose time ran out is remembered, so that its take-over is seen as one. */
export const graceMs = 60_000;

/** Where claims are kept: memory for those of one daemon, Redis for those of many. */
export interface Claims {
  /**
   * Takes all of them in one round trip; the answers stand in the order of the requests. An owner who asks again
   * for what is still pending holds it on, under a new fence.
   */
  take(requests: readonly ClaimRequest[]): Promise<ClaimAnswer[]>;
  /**
   * Marks claims as done. One that another owner took over meanwhile stays theirs.
   * @returns for each, whether it was still the owner's
   */
  done(claims: readonly DoneClaim[]): Promise<boolean[]>;
  /**
   * Marks as done what was done without asking, whoever holds it. What somebody else has done stays as it is.
   * @returns for each, whether somebody else had done it
   */
  mark(claims: readonly DoneClaim[]): Promise<boolean[]>;
  /** Gives claims back, undone, so that the next one need not wait. One that is no longer the owner's stays. */
  release(claims: readonly HeldClaim[]): Promise<void>;
}
