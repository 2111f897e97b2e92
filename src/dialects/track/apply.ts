/**
 * One request of dialect `track`: rows in, records and outcomes out.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { Outcomes } from "../../base/outcome.ts";
import { type Identity, identityKey, type Unit } from "../../base/record.ts";
import type { Config } from "../../config/schema.ts";
import type { RowWindow } from "../../parse/window.ts";
import type { ClosedBody, Inbound, Ingest, Reply, Services } from "../dialect.ts";
import { writeCommonBatch } from "./common_batch.ts";
import { maxCommonDepth } from "./row_reader.ts";
import { holdsLoneSurrogate } from "../well_formed.ts";
import { writeRow } from "./rows.ts";
import { describeIssues, type TrackRow, trackRow } from "./schema.ts";
import type { Sender } from "./sender.ts";
import { explicitDevice, type Whereabouts } from "./whereabouts.ts";
import { eventTime } from "./timestamp.ts";

/** How a request finds its sender once the client id is known. */
export type FindSender = (clientId: string | undefined, secret: string | undefined) => Promise<Sender>;

/** What {@link TrackIngest} is made from. */
export interface TrackOptions {
  readonly inbound: Inbound;
  readonly services: Services;
  /** Set when the headers name the client; else the body does, or nobody. */
  readonly sender: Sender | undefined;
  /** Who it is when neither headers nor body name a client, where that is allowed. */
  readonly anonymous: Sender | undefined;
  readonly findSender: FindSender;
  /** Does the route take batches only (`/track/batch`)? */
  readonly batchOnly: boolean;
  /** Thrown once the body was found well-formed: a bad body is told before bad credentials (contract, 1.2). */
  readonly refusal: WeirError | undefined;
}

/** One request on its way; see {@link Ingest}. */
export class TrackIngest implements Ingest {
  readonly needsEnvelope: boolean;
  readonly #options: TrackOptions;
  #sender: Sender | undefined;
  #refusal: WeirError | undefined;
  #isBatch: boolean;
  #last: Whereabouts | undefined;

  constructor(options: TrackOptions) {
    this.#options = options;
    this.#sender = options.sender;
    this.#refusal = options.refusal;
    this.needsEnvelope = options.sender === undefined && options.refusal === undefined;
    this.#isBatch = options.batchOnly;
  }

  get scope(): string | undefined {
    return this.#sender?.project;
  }

  async opened(envelope: Readonly<Record<string, unknown>>): Promise<void> {
    const { clientId, clientSecret } = envelope;
    try {
      this.#sender = await this.#options.findSender(
        typeof clientId === "string" ? clientId : undefined,
        typeof clientSecret === "string" ? clientSecret : undefined,
      );
    } catch (error) {
      if (!(error instanceof WeirError)) throw error;
      this.#refusal = error;
    }
  }

  takeWhole(body: Uint8Array, unit: Unit, outcomes: Outcomes): boolean {
    const { batchOnly, anonymous, refusal, inbound, services: { config } } = this.#options;
    const sender = this.#sender ?? anonymous;
    if (sender === undefined || refusal !== undefined || !allowsWhole(config, body)) return false;
    sender.events.begin(inbound.arrivedAt);
    const rows = batchOnly
      ? writeCommonBatch(body, unit, { events: sender.events, maxRows: config.track.max_batch_rows })
      : Number(sender.events.write({ bytes: body, start: 0, end: body.length, row: 0 }, unit));
    if (rows === 0) return false;
    outcomes.accepted += rows;
    this.#sender = sender;
    this.#last = sender.events.last;
    return true;
  }

  take(window: RowWindow, unit: Unit, outcomes: Outcomes): void {
    const sender = this.#sender;
    if (sender === undefined) return window.settle();
    const { events } = sender;
    events.begin(this.#options.inbound.arrivedAt);
    for (let i = 0; i < window.count; i++) {
      const index = window.firstIndex + i;
      const row = { bytes: window.bytes, start: window.start(i), end: window.end(i), row: index };
      if (!window.isFlawed(i) && events.write(row, unit)) {
        window.trust(i);
        outcomes.accepted++;
        this.#last = events.last;
        continue;
      }
      const malformed = window.malformed(i);
      if (malformed !== undefined) {
        outcomes.reject(index, "malformed", malformed);
        continue;
      }
      const value = window.value(i);
      if (window.hasUnicodeEscape && holdsLoneSurrogate(value)) {
        outcomes.reject(index, "validation", "Text must be well-formed: half of a surrogate pair was sent");
        continue;
      }
      const problem = this.#takeRow({ window, i, index, value }, sender, unit);
      if (problem === undefined) outcomes.accepted++;
      else outcomes.reject(index, "validation", problem);
    }
  }

  admit(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  close(body: ClosedBody, outcomes: Outcomes): void {
    const { batchOnly } = this.#options;
    if (body.rowsKey !== undefined) {
      if (!batchOnly && body.envelope.type !== "batch") {
        throw new WeirError("validation", "body/payload Invalid input: expected object, received array");
      }
      if (outcomes.rows === 0) {
        throw new WeirError("invalid_body", "A batch must hold at least one row");
      }
      this.#isBatch = true;
    } else if (batchOnly) {
      throw new WeirError("invalid_body", "body/events Invalid input: expected array");
    }
    const single = this.#isBatch ? undefined : outcomes.rejected[0];
    if (single !== undefined) throw new WeirError("validation", single.error);
  }

  reply(outcomes: Outcomes, repeats: readonly Identity[]): Reply {
    if (!this.#isBatch) {
      const { deviceId, sessionId } = repeats[0]?.first ?? this.#last!;
      return {
        status: 200,
        body: JSON.stringify({ deviceId, sessionId, duplicate: repeats.length > 0 || undefined }),
      };
    }
    const { accepted, rejected, duplicates } = outcomes;
    return { status: 202, body: JSON.stringify({ accepted, rejected, duplicates: duplicates || undefined }) };
  }

  /** @returns why the row is refused, or undefined when its records are in the unit. */
  #takeRow(
    at: { window: RowWindow; i: number; index: number; value: unknown },
    sender: Sender,
    unit: Unit,
  ): string | undefined {
    const checked = trackRow.safeParse(at.value);
    if (!checked.success) return describeIssues(checked.error);
    const row = checked.data;
    if (row.type === "alias") return "Alias is not supported";
    const properties = propertiesOf(row);
    const { inbound, services } = this.#options;
    const time = eventTime(properties.__timestamp, inbound.arrivedAt, services.config.track);
    if (time === undefined) return "event timestamp older than 5 days";
    const problem = revenueProblem(row, properties);
    if (problem !== undefined) return problem;
    const where = whereabouts(row, properties, { sender, time, arrivedAt: inbound.arrivedAt });
    if (row.type === "replay" && where.sessionId === "") return "Session id is required for replay";
    const insertId = insertIdOf(row, properties);
    const identity = insertId === undefined ? undefined : {
      key: identityKey("project", sender.project, insertId),
      row: at.index,
      memo: where,
    };
    this.#last = where;
    const { bytes } = at.window;
    const [start, end] = [at.window.start(at.i), at.window.end(at.i)];
    writeRow(
      { row, bytes, start, end, sender, where, time, id: services.ids.next(), insertId, identity },
      unit,
    );
    return undefined;
  }
}

/** Do the limits leave the common shape what it needs, so that nobody has to look at them? */
function allowsWhole({ limits }: Config, body: Uint8Array): boolean {
  return limits.max_depth > maxCommonDepth && limits.max_row_bytes >= body.length;
}

function propertiesOf(row: TrackRow): Record<string, unknown> {
  return "properties" in row.payload ? row.payload.properties ?? {} : {};
}

function whereabouts(
  row: TrackRow,
  properties: Record<string, unknown>,
  at: { sender: Sender; time: number; arrivedAt: number },
): Whereabouts {
  const isTrack = row.type === "track";
  const where = at.sender.locate(at.time, at.arrivedAt, {
    explicit: isTrack ? explicitDevice(properties.__deviceId) : undefined,
    ip: isTrack && typeof properties.__ip === "string" ? properties.__ip : undefined,
  });
  if (row.type !== "replay" || row.payload.sessionId === undefined) return where;
  return { deviceId: where.deviceId, sessionId: row.payload.sessionId };
}

function insertIdOf(row: TrackRow, properties: Record<string, unknown>): string | undefined {
  const onPayload = row.type === "track" ? row.payload.insertId ?? row.payload.messageId : undefined;
  const sent = row.insertId ?? onPayload ?? properties.__insertId ?? properties.$insert_id ?? row.messageId;
  if (typeof sent === "number") return String(sent);
  return typeof sent === "string" && sent !== "" && sent.length <= 256 ? sent : undefined;
}

function revenueProblem(row: TrackRow, properties: Record<string, unknown>): string | undefined {
  if (row.type !== "track" || row.payload.name !== "revenue" || properties.__revenue === undefined) {
    return undefined;
  }
  const revenue = properties.__revenue;
  const fits = typeof revenue === "number" && Number.isInteger(revenue) && revenue >= 0;
  return fits ? undefined : "body/payload/properties/__revenue must be an integer of at least 0";
}
