/**
 * The process around a verb, recorded.
 * @module
 */

import type { CliIo } from "../../src/cli/io.ts";

/** Keeps what a verb wrote. */
export interface RecordingIo extends CliIo {
  out(): string;
  err(): string;
}

/** A fresh one, with this environment. */
export function recordingIo(env: Record<string, string> = {}): RecordingIo {
  let out = "";
  let err = "";
  return {
    stdout: (text) => void (out += text),
    stderr: (text) => void (err += text),
    env,
    isTty: false,
    out: () => out,
    err: () => err,
  };
}
