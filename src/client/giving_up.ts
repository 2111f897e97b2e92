/**
 * When a batch is given up: what a failure says, how long a batch has been refused, and the error that tells the host.
 * @module
 */

/** How long a batch is tried when nothing else is said, in ms. */
export const defaultGiveUpAfterMs = 300_000;

/** Events were given up because every try of their batch failed. */
export class GivenUpError extends Error {
  override readonly name = "GivenUpError";
  /** How many. */
  readonly events: number;
  /** Tries they had. */
  readonly attempts: number;
  /** For how long they were refused; time without any reply is not counted. */
  readonly refusedMs: number;

  /** @param options.cause The last failure. */
  constructor(of: { events: number; attempts: number; refusedMs: number }, options: ErrorOptions = {}) {
    const { events, attempts, refusedMs } = of;
    const why = options.cause instanceof Error ? options.cause.message : "the receiver asked for another try";
    super(
      `Gave up ${events} events after ${attempts} tries and ${Math.round(refusedMs)} ms of refusals: ${why}`,
      options,
    );
    this.events = events;
    this.attempts = attempts;
    this.refusedMs = refusedMs;
  }
}

/**
 * For how long one batch has been refused: the time between two tries counts where both were answered. A receiver
 * that cannot be reached says nothing about the batch, and a device may be away for long.
 */
export class RefusedTime {
  #ms = 0;
  #lastAt: number | undefined;

  /** So far, in ms. */
  get ms(): number {
    return this.#ms;
  }

  /** A try failed. */
  note(now: number, { isNoReply }: { isNoReply: boolean }): void {
    if (this.#lastAt !== undefined && !isNoReply) this.#ms += Math.max(0, now - this.#lastAt);
    this.#lastAt = isNoReply ? undefined : now;
  }
}

/** What a failure says of the tries to come. */
export interface FailureHints {
  /** May a further try succeed? */
  readonly isRetryable: boolean;
  /** Was there no answer at all? */
  readonly isNoReply: boolean;
  /** How long to wait before. */
  readonly retryAfterMs: number | undefined;
}

/** Reads the members of an error that the event buffer knows; what they are not taken for is as if it were absent. */
export function hintsOf(error: unknown): FailureHints {
  const told = typeof error === "object" && error !== null ? error as Partial<Record<string, unknown>> : {};
  const { isRetryable, isNoReply, retryAfterMs } = told;
  return {
    isRetryable: isRetryable !== false,
    isNoReply: isNoReply === true,
    retryAfterMs: typeof retryAfterMs === "number" && retryAfterMs >= 0 ? retryAfterMs : undefined,
  };
}
