/**
 * What a verb of the command line sees of the process around it.
 * @module
 */

/** Streams and environment of one call. */
export interface CliIo {
  /** Writes a text as it is; lines end with a line break of their own. */
  stdout(text: string): void;
  /** As `stdout`, for what is not the result. */
  stderr(text: string): void;
  readonly env: Record<string, string>;
  /** Is standard error a terminal? */
  readonly isTty: boolean;
}
