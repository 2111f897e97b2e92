/**
 * The process's own standard output, standard error and environment.
 * @module
 */

import type { CliIo } from "./io.ts";

/** What `main.ts` hands to a verb. */
export function systemIo(): CliIo {
  const encoder = new TextEncoder();
  return {
    stdout: (text) => writeAll(Deno.stdout, encoder.encode(text)),
    stderr: (text) => writeAll(Deno.stderr, encoder.encode(text)),
    env: Deno.env.toObject(),
    isTty: Deno.stderr.isTerminal(),
  };
}

function writeAll(to: typeof Deno.stdout, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
}
