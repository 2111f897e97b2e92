/**
 * The forms in which a request can be had.
 * @module
 */

import { toChrome } from "./chrome.ts";
import { eventLines } from "./event_pieces.ts";
import { toOtlp } from "./otlp.ts";
import { toSpeedscope } from "./speedscope.ts";
import type { TracedRequest } from "./traced_request.ts";

/** How a form is made, and what it is called on the wire. */
export interface ExportFormat {
  readonly contentType: string;
  /** The bytes, as they are made. */
  write(request: TracedRequest): AsyncIterable<Uint8Array>;
}

const json = "application/json; charset=utf-8";

/** Every form, by its name. */
export const exportFormats = {
  chrome: { contentType: json, write: toChrome },
  speedscope: { contentType: json, write: toSpeedscope },
  otlp: { contentType: json, write: toOtlp },
  ndjson: { contentType: "application/x-ndjson", write: (request) => eventLines(request.events()) },
} as const satisfies Record<string, ExportFormat>;

/** Name of a form. */
export type ExportName = keyof typeof exportFormats;
