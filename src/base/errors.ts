/**
 * Every error that can leave the daemon, in one table: docs/errors.md is made from it.
 * @module
 */

interface ErrorRow {
  /** HTTP status. */
  status: number;
  /** How the log line is marked. */
  level: "debug" | "info" | "warn" | "error";
  /** May the same request succeed later? */
  retryable: boolean;
  /** What to do about it, for the docs. */
  hint: string;
}

/** Code to status, log level, whether to try again, and what to do. */
export const errorTable = {
  malformed_json: row(400, "info", false, "The body is cut off or is not JSON; nothing of it was stored."),
  invalid_utf8: row(400, "info", false, "Send UTF-8; nothing of the body was stored."),
  too_deep: row(400, "info", false, "Nest less deeply, or raise limits.max_depth."),
  too_many_rows: row(400, "info", false, "Split the batch, or send NDJSON, which has no limit on rows."),
  duplicate_rows_key: row(400, "info", false, "The key that holds the rows may stand in the body once."),
  invalid_body: row(400, "info", false, "The body's outer object does not fit the route."),
  validation: row(
    400,
    "info",
    false,
    "The row does not fit the dialect's schema; the message names the path.",
  ),
  invalid_header: row(
    400,
    "info",
    false,
    "The header named in the message does not have the form it must have.",
  ),
  invalid_path: row(400, "info", false, "A name in the path does not have the form that the message tells."),
  invalid_query: row(
    400,
    "info",
    false,
    "A parameter of the address does not have the form that the message tells.",
  ),
  bad_encoding: row(
    400,
    "info",
    false,
    "The body is not what its Content-Encoding says; nothing was stored.",
  ),
  invalid_file_name: row(
    400,
    "info",
    false,
    "A file name is one path segment of at most 255 bytes: no separators, no control characters, not . or .., not .weir-*.tmp.",
  ),
  ill_formed_text: row(400, "info", false, "The text holds half a surrogate pair, which no file can hold."),
  unauthorized: row(401, "info", false, "Check client id and secret against auth.* in the configuration."),
  forbidden: row(
    403,
    "info",
    false,
    "Check id, secret and project or app against auth.* in the configuration.",
  ),
  invalid_directory: row(
    403,
    "info",
    false,
    "The directory leads out of trace_files.root, or cannot be one: a file is in its way, or its name is unfit.",
  ),
  not_found: row(404, "debug", false, "There is no such route or object."),
  method_not_allowed: row(405, "debug", false, "Use a method that the Allow header names."),
  stalled: row(
    408,
    "info",
    true,
    "No byte came for limits.stall_timeout_ms, or the body took too long as a whole.",
  ),
  is_a_directory: row(409, "info", false, "A directory has the file's name; nothing was written."),
  duplicate_path: row(409, "info", false, "An earlier file of the same batch goes to the same place."),
  file_too_large: row(413, "info", false, "Split the file, or raise trace_files.max_file_bytes."),
  body_too_large: row(413, "info", false, "Split the body, or raise the limit that the message names."),
  unsupported_media_type: row(
    415,
    "info",
    false,
    "Send application/json, or application/x-ndjson where it is taken.",
  ),
  unsupported_encoding: row(415, "info", false, "Use gzip, deflate, br, zstd or no Content-Encoding."),
  overloaded: row(503, "warn", true, "More is in flight than limits.* allow; wait as Retry-After says."),
  draining: row(503, "info", true, "The daemon is stopping; another one or a later try will take it."),
  storage_full: row(
    503,
    "error",
    true,
    "The disk under data_dir is full: make room. Nothing acknowledged is lost.",
  ),
  journal_failed: row(
    503,
    "error",
    true,
    "A write or fsync of the journal failed: see /healthz; restart after mending the disk.",
  ),
  catalog_failed: row(
    503,
    "error",
    true,
    "The catalog cannot be read: see /healthz. When it is damaged, restart: it is made anew from the parts.",
  ),
  flush_failed: row(
    503,
    "error",
    true,
    "Parts could not be written: see /healthz. The journal keeps every row, and the next flush tries again.",
  ),
  write_failed: row(
    500,
    "error",
    true,
    "The file could not be written, the message has the system's word for it; what was there before is whole.",
  ),
  upstream_failed: row(
    502,
    "warn",
    true,
    "The server of a tRPC route cannot be reached, or its reply is cut: see that it runs at trpc.routes[].upstream.",
  ),
  upstream_untrusted: row(
    502,
    "warn",
    true,
    "The server of a tRPC route has no certificate that is trusted for its name and today, or speaks no TLS: see trpc.routes[].ca_file.",
  ),
  upstream_timeout: row(
    504,
    "warn",
    true,
    "The server of a tRPC route did not answer in time: see trpc.routes[].timeout_ms.",
  ),
  claims_unavailable: row(
    503,
    "warn",
    true,
    "Redis is away and redis.on_outage is reject, or another daemon holds what is asked for; try again.",
  ),
  internal: row(500, "error", true, "A bug: the log line with this request id says more."),
} as const satisfies Record<string, ErrorRow>;

/** One word of {@link errorTable}. */
export type ErrorCode = keyof typeof errorTable;

function row(status: number, level: ErrorRow["level"], retryable: boolean, hint: string): ErrorRow {
  return { status, level, retryable, hint };
}

/** What the constructor of {@link WeirError} takes beside code and message. */
export interface WeirErrorOptions extends ErrorOptions {
  /** Seconds for Retry-After; 429 and 503 always carry one. @default 1 for 503 */
  retryAfterS?: number;
  /** Further reply headers, such as Allow. */
  headers?: Record<string, string>;
  /** More than the message, for dialects whose errors have a place for it; as much for the client's eyes. */
  details?: unknown;
}

/** An error with a row in {@link errorTable}. Its message may be shown to the client: no payload, no path. */
export class WeirError extends Error {
  override readonly name = "WeirError";
  readonly code: ErrorCode;
  readonly retryAfterS: number | undefined;
  readonly headers: Record<string, string> | undefined;
  readonly details: unknown;

  constructor(code: ErrorCode, message: string, options: WeirErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.retryAfterS = options.retryAfterS ?? (errorTable[code].status === 503 ? 1 : undefined);
    this.headers = options.headers;
    this.details = options.details;
  }

  get status(): number {
    return errorTable[this.code].status;
  }

  get retryable(): boolean {
    return errorTable[this.code].retryable;
  }
}

/** Any thrown value as a {@link WeirError}; what is no such error becomes `internal` and says nothing outside. */
export function toWeirError(error: unknown): WeirError {
  if (error instanceof WeirError) return error;
  return new WeirError("internal", "Internal server error", { cause: error });
}
