/**
 * Posts bodies to the dialect alone: real parsing, real salts, real records; no daemon.
 * @module
 */

import { IdSource } from "../../../src/base/ids.ts";
import type { Log, LogFields } from "../../../src/base/log.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { Outcomes, type Rejection } from "../../../src/base/outcome.ts";
import { frameHeaderBytes, type Identity, type Place, Unit } from "../../../src/base/record.ts";
import { type Config, configSchema } from "../../../src/config/schema.ts";
import type { Inbound, Services } from "../../../src/dialects/dialect.ts";
import { createTrackDialect } from "../../../src/dialects/track/route.ts";
import { JsonRows } from "../../../src/parse/json_rows.ts";
import { NdjsonRows } from "../../../src/parse/ndjson_rows.ts";
import { RowStretch } from "../../../src/parse/row_stretch.ts";
import type { RowSource, RowWindow } from "../../../src/parse/window.ts";
import { ConfiguredAuthority } from "../../../src/receive/auth.ts";
import { rowLimits } from "../../../src/receive/limits.ts";
import { SaltStore } from "../../../src/sessions/salts.ts";
import { emptyBook } from "../../sessions/empty_book.ts";
import { tempDir } from "../../support/temp.ts";

/** When everything arrives, unless a test says otherwise. */
export const arrivedAt = Date.UTC(2026, 5, 8, 12);
export const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) " +
  "Chrome/126.0.0.0 Safari/537.36";

/** One record that came of a body. */
export interface PostedRecord {
  /** Without its line break. */
  readonly line: string;
  readonly json: Record<string, unknown>;
  readonly place: Place;
  readonly identity: Identity | undefined;
}

/** What a body led to. */
export interface Posted {
  readonly status: number;
  // deno-lint-ignore no-explicit-any -- tests look into replies of many shapes
  readonly reply: any;
  readonly accepted: number;
  readonly rejected: Rejection[];
  readonly records: PostedRecord[];
  /** All records as a frame of the journal would hold them. */
  readonly frame: Uint8Array;
  /** Records of one kind, as values. */
  of(kind: string): Record<string, unknown>[];
}

/** How {@link TrackRig.post} sends. */
export interface PostOptions {
  /** @default "/track/batch" */
  path?: "/track" | "/track/batch";
  headers?: Record<string, string>;
  clientIp?: string;
  arrivedAt?: number;
  ndjson?: boolean;
  /** May the body be taken straight from its bytes? @default true */
  whole?: boolean;
  /** Bytes of a chunk. @default all at once */
  chunkBytes?: number;
}

/** The dialect, ready to take bodies. */
export interface TrackRig extends AsyncDisposable {
  readonly config: Config;
  /** Folder that holds the salts. */
  readonly dir: string;
  readonly logged: { message: string; fields: LogFields }[];
  /**
   * Posts a body: texts and bytes as they are, other values as JSON.
   * @throws WeirError for a body that is refused as a whole
   */
  post(body: unknown, options?: PostOptions): Promise<Posted>;
  /** Forgets the sessions that events came to, as if their time were over. */
  forgetSessions(): void;
  /** Posts rows as a batch. */
  postRows(rows: unknown[], options?: PostOptions): Promise<Posted>;
}

/** Opens the dialect over a configuration, such as `{ auth: { enabled: true, .. } }`. */
export async function trackRig(settings: Record<string, unknown> = {}): Promise<TrackRig> {
  const dir = await tempDir();
  const config = configSchema.parse(settings);
  const clock = { now: () => arrivedAt, monotonic: () => 0 };
  const logged: TrackRig["logged"] = [];
  const keep = (message: string, fields: LogFields = {}): void => void logged.push({ message, fields });
  const log: Log = { error: keep, warn: keep, info: keep, debug: keep, setLevel: () => {} };
  const salts = SaltStore.open({
    path: `${dir.path}/salts.json`,
    keepDays: config.track.salt_keep_days,
    now: arrivedAt,
  });
  const sessions = emptyBook(clock);
  const services = {
    ...{ clock, ids: new IdSource(clock), log, config, salts, metrics: createMetrics() },
    sessions,
    geo: { generation: 0, find: () => ({}) },
    indexes: { entity: () => undefined },
  } as unknown as Services;
  const dialect = createTrackDialect(new ConfiguredAuthority(() => config.auth, clock));

  const post = async (body: unknown, options: PostOptions = {}): Promise<Posted> => {
    const { path = "/track/batch", headers = {}, ndjson = false, whole = true } = options;
    const route = dialect.ingest.find((route) => route.path === path)!;
    const inbound: Inbound = {
      method: "POST",
      url: new URL(`http://127.0.0.1${path}`),
      headers: new Headers({ "user-agent": chrome, ...headers }),
      params: {},
      clientIp: options.clientIp ?? "203.0.113.9",
      requestId: "request-1",
      arrivedAt: options.arrivedAt ?? arrivedAt,
    };
    const session = await route.open(inbound, services);
    const shape = route.shape(config);
    const limits = rowLimits(shape, config.limits);
    const bytes = bytesOf(body);
    const unit = new Unit();
    const outcomes = new Outcomes();
    const take = async (piece: RowWindow | RowStretch): Promise<void> => {
      if (piece instanceof RowStretch) return session.takeStretch!(piece, unit, outcomes);
      await session.take(piece, unit, outcomes);
      piece.settle();
    };
    if (ndjson) {
      if (session.needsEnvelope) await session.opened?.({});
      session.admit();
      const rows = new NdjsonRows({ limits: { ...limits, maxRows: Infinity, maxBodyBytes: Infinity } });
      for (const chunk of chunksOf(bytes, options.chunkBytes)) {
        for (const window of rows.push(chunk)) await take(window);
      }
      for (const window of rows.finish()) await take(window);
      return postedOf({ status: 202, body: "null" }, { unit, outcomes });
    }
    if (whole && session.takeWhole?.(bytes.slice(), unit, outcomes)) {
      return postedOf(session.reply(outcomes, []), { unit, outcomes });
    }
    if (session.needsEnvelope) {
      const rows = new JsonRows({ rowsKey: shape.rowsKey, limits });
      for (const window of [...rows.push(bytes.slice()), ...rows.finish()]) window.settle();
      await session.opened?.(rows.envelope);
    }
    const rows = new JsonRows({ rowsKey: shape.rowsKey, limits });
    const source: RowSource<RowWindow | RowStretch> = session.takeStretch ? rows.offering() : rows;
    for (const chunk of chunksOf(bytes, options.chunkBytes)) {
      for (const piece of source.push(chunk)) await take(piece);
    }
    for (const window of rows.finish()) await take(window);
    if (rows.rowsKey === undefined && shape.single) await take(rows.single());
    session.close({ envelope: rows.envelope, rowsKey: rows.rowsKey }, outcomes);
    session.admit();
    return postedOf(session.reply(outcomes, []), { unit, outcomes });
  };

  return {
    config,
    dir: dir.path,
    logged,
    post,
    postRows: (rows, options) => post({ events: rows }, options),
    forgetSessions(): void {
      for (const session of sessions.wheel.take(Infinity, Infinity)) sessions.retire(session);
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

/** An event as a row, its properties and other members of its payload changed. */
export function event(properties?: Record<string, unknown>, payload: Record<string, unknown> = {}): unknown {
  return { type: "track", payload: { name: "signup", properties, ...payload } };
}

function postedOf(
  reply: { status: number; body: string },
  { unit, outcomes }: { unit: Unit; outcomes: Outcomes },
): Posted {
  const records = unit.places.map((place, i): PostedRecord => {
    const line = new TextDecoder("utf-8", { fatal: true }).decode(
      unit.writer.view(unit.starts[i], unit.end(i)),
    );
    if (!line.endsWith("\n")) throw new Error("A record does not end with a line break");
    return { line: line.slice(0, -1), json: JSON.parse(line), place, identity: unit.identities[i] };
  });
  return {
    status: reply.status,
    reply: JSON.parse(reply.body),
    accepted: outcomes.accepted,
    rejected: outcomes.rejected,
    records,
    frame: unit.writer.view(frameHeaderBytes).slice(),
    of: (kind) => records.filter(({ json }) => json.kind === kind).map(({ json }) => json),
  };
}

function bytesOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  return new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
}

function* chunksOf(bytes: Uint8Array, chunkBytes = bytes.length): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.slice(at, at + chunkBytes);
}
