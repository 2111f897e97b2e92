/**
 * What a wire dialect is: routes, and for each request one {@link Ingest} that turns rows into records and
 * outcomes into a reply. The pipeline does everything between.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { ErrorCode } from "../base/errors.ts";
import type { IdSource } from "../base/ids.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import type { Outcomes } from "../base/outcome.ts";
import type { Identity, Unit } from "../base/record.ts";
import type { Config } from "../config/schema.ts";
import type { RequestList } from "../flush/request_list.ts";
import type { SessionRowReader } from "../flush/session_row_reader.ts";
import type { EventReader } from "../flush/event_reader.ts";
import type { RunReader } from "../flush/run_reader.ts";
import type { TraceReader } from "../flush/trace_reader.ts";
import type { Indexes } from "../index/indexes.ts";
import type { RowStretch } from "../parse/row_stretch.ts";
import type { RowWindow } from "../parse/window.ts";
import type { SaltStore } from "../sessions/salts.ts";
import type { SessionBook } from "../sessions/session_book.ts";
import type { SharedSessions } from "../sessions/shared_sessions.ts";

import type { Geo } from "./geo.ts";

/** What dialects may use of the house. */
export interface Services {
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Log;
  readonly metrics: Metrics;
  /** As it stands; reloading replaces it, so read it anew for each request. */
  readonly config: Config;
  readonly indexes: Indexes;
  readonly salts: SaltStore;
  readonly sessions: SessionBook;
  /** The other daemons; undefined where there are none. */
  readonly shared?: SharedSessions;
  readonly geo: Geo;
  readonly traces: TraceReader;
  readonly runs: RunReader;
  readonly events: EventReader;
  readonly requestList: RequestList;
  readonly sessionRows: SessionRowReader;
}

/** A request as a dialect sees it: everything but its body. */
export interface Inbound {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  /** Decoded path parameters by name. */
  readonly params: Readonly<Record<string, string>>;
  /** Address of the client by the header rules of contract `track` 1.1; "" when none is known. */
  readonly clientIp: string;
  readonly requestId: string;
  /** Arrival, ms since the epoch. */
  readonly arrivedAt: number;
}

/** The form of body that a route takes. */
export interface BodyShape {
  /** Member (or members) of the outer object whose array holds the rows. */
  readonly rowsKey: string | readonly string[];
  /** May the body be a single row, when no such array is in it? */
  readonly single: boolean;
  /** Is `application/x-ndjson` taken, one row a line? */
  readonly ndjson: boolean;
  readonly maxBytes: number;
  readonly maxRows: number;
  /** Bytes of one row. @default limits.max_row_bytes */
  readonly maxRowBytes?: number;
}

/** A reply, before it is put on the wire. */
export interface Reply {
  readonly status: number;
  readonly body: string;
  /** @default "application/json; charset=utf-8" */
  readonly contentType?: string;
  readonly headers?: Record<string, string>;
}

/** By what a request is known that may be sent twice by accident, and for how long. */
export interface Twin {
  /** Two requests with the same key are the same to the last byte. */
  readonly key: string;
  readonly windowMs: number;
}

/** What is known of a body once its last byte was read. */
export interface ClosedBody {
  /** The outer object, its rows array emptied; `{}` for NDJSON. */
  readonly envelope: Readonly<Record<string, unknown>>;
  /** The member that held the rows; undefined when there was no array (also for NDJSON). */
  readonly rowsKey: string | undefined;
}

/** One request on its way. */
export interface Ingest {
  /**
   * Is the body's outer object needed before the first row can be taken? Then {@link opened} is called first,
   * and the body is held in memory until it closed.
   */
  readonly needsEnvelope: boolean;
  /** Called with the outer object before the first row, when {@link needsEnvelope}. May throw a WeirError. */
  opened?(envelope: Readonly<Record<string, unknown>>): Promise<void>;
  /** Whose Idempotency-Key this is: the same key means nothing to another one. Undefined when nobody was admitted. */
  readonly scope: string | undefined;
  /**
   * Stamps an outcome for each row of the window and adds the records of the accepted ones to the unit. A row
   * that fails must leave no record behind. Every row is either read through `window.value(i)` or trusted.
   */
  take(window: RowWindow, unit: Unit, outcomes: Outcomes): void | Promise<void>;
  /**
   * Takes rows of a JSON body straight from its bytes, from the first one on, for as long as they have the dialect's
   * most common shape, and says how many these were. What it leaves comes in windows.
   */
  takeStretch?(stretch: RowStretch, unit: Unit, outcomes: Outcomes): void;
  /**
   * Takes a small body as one row, straight from its bytes, where it has the dialect's most common shape. Called
   * before anything else; the bytes are UTF-8.
   * @returns false when the body must go the usual way; nothing is in the unit then
   */
  takeWhole?(body: Uint8Array, unit: Unit, outcomes: Outcomes): boolean;
  /**
   * How the same body is known when it is sent again at once; undefined where it may be sent as often as it likes.
   * The reply is JSON.
   */
  twinOf?(body: Uint8Array): Twin | undefined;
  /**
   * All rows were given, and the unit is about to be stored: asks other daemons what must be asked of it, and takes
   * the rows that waited for their answer.
   * @throws WeirError
   */
  settle?(unit: Unit, outcomes: Outcomes): Promise<void> | undefined;
  /** Bytes of rows that wait for {@link settle}. @default 0 */
  readonly heldBytes?: number;
  /**
   * Throws what refuses the sender. Called when the body closed well-formed, since a bad body is told before bad
   * credentials; for a stream, before its first row.
   */
  admit(): void;
  /** The body closed well-formed: the last chance to refuse it as a whole, by throwing a WeirError. */
  close(body: ClosedBody, outcomes: Outcomes): void;
  /** The reply; `repeats` are the identities that were stored before. */
  reply(outcomes: Outcomes, repeats: readonly Identity[]): Reply;
}

/** A route that takes rows. */
export interface IngestRoute {
  readonly method: "POST";
  /** Pattern as hono reads it, such as `/v1/sessions/:sid/backend`. */
  readonly path: string;
  shape(config: Config): BodyShape;
  /**
   * Begins a request: looks at headers and path. Refusals that must not come before the body was found
   * well-formed are thrown from {@link Ingest.close} instead.
   * @throws WeirError
   */
  open(inbound: Inbound, services: Services): Ingest | Promise<Ingest>;
}

/** One request of a {@link DirectRoute} on its way. */
export interface DirectIngest {
  /** Whose Idempotency-Key this is, as in {@link Ingest.scope}. */
  readonly scope: string;
  /** Bytes that are held of the rows so far. */
  readonly heldBytes: number;
  /** Takes rows as they close. The body may still turn out to be bad, so nothing may be stored yet. */
  take(window: RowWindow): void;
  /**
   * The body closed well-formed: stores what was taken. The reply is sent once that is safe.
   * @throws WeirError when the request is refused as a whole; nothing may be stored then
   */
  finish(body: ClosedBody): Promise<Reply>;
}

/** A route that takes rows and stores them by itself, beside the journal. */
export interface DirectRoute {
  readonly method: "POST";
  readonly path: string;
  shape(config: Config): BodyShape;
  /**
   * Begins a request: looks at headers and path.
   * @throws WeirError
   */
  begin(inbound: Inbound, services: Services): DirectIngest | Promise<DirectIngest>;
}

/** One request of a {@link CallRoute} on its way. */
export interface Call {
  readonly inbound: Inbound;
  /** Aborted when the client has gone, and also after a reply. */
  readonly signal: AbortSignal;
  /**
   * Its bytes as they were sent; a chunk may be overwritten once the one after the next is asked for. Whether there
   * is room for the request is found out when the first one is asked for.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /**
   * Stores a unit and counts the outcomes of its rows; resolves when it is safe.
   * @throws WeirError when it is not stored
   */
  store(unit: Unit, outcomes: Outcomes): Promise<void>;
}

/** A route whose protocol reads its own body. */
export interface CallRoute {
  readonly method: "POST";
  readonly path: string;
  /** Bytes of one message. */
  maxBytes(config: Config): number;
  call(call: Call, services: Services): Promise<Response>;
}

/** A route that answers from what is stored. */
export interface ReadRoute {
  readonly method: "GET";
  readonly path: string;
  /** @throws WeirError */
  answer(inbound: Inbound, services: Services): Response | Promise<Response>;
}

/** What is said of an error to the client. */
export interface ErrorFacts {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  /** Undefined for most. */
  readonly details: unknown;
}

/** One wire protocol. */
export interface Dialect {
  readonly name: string;
  readonly ingest: readonly IngestRoute[];
  readonly read: readonly ReadRoute[];
  readonly direct?: readonly DirectRoute[];
  readonly calls?: readonly CallRoute[];
  /**
   * Makes ready what the routes need, before the first request; what it gives is disposed of after the last one.
   * @throws whatever makes it impossible to start
   */
  start?(services: Services): Promise<AsyncDisposable>;
  /** Gives an error the form that the dialect's clients know. @default the common error body */
  errorBody?(error: ErrorFacts): unknown;
}
