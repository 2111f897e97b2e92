/**
 * One request of dialect `track`: rows in, records and outcomes out.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import { faultPoint, isFaultPlanned } from "../../base/faults.ts";
import { Outcomes } from "../../base/outcome.ts";
import { describeError } from "../../base/log.ts";
import { type Identity, identityKey, Unit } from "../../base/record.ts";
import type { Config } from "../../config/schema.ts";
import type { RowStretch } from "../../parse/row_stretch.ts";
import type { RowWindow } from "../../parse/window.ts";
import type { ClientCredentials } from "../authority.ts";
import type { ClosedBody, Inbound, Ingest, Reply, Services, Twin } from "../dialect.ts";
import type { Bot } from "./bots.ts";
import {
  maxCommonDepth,
  wholeRow,
  writeCommonBatch,
  writeCommonRows,
  writeCommonStretch,
} from "./common_batch.ts";
import { holdsLoneSurrogate } from "../well_formed.ts";
import { insertIdOf } from "./insert_id.ts";
import { guardProblem } from "./guards.ts";
import { holdsStep } from "../../index/step.ts";
import { tallyColumns } from "../../sessions/session_fold.ts";
import { UnknownSession } from "../../sessions/live_sessions.ts";
import type { Session } from "../../sessions/session.ts";
import { readColumns } from "../../sessions/session_rows.ts";
import type { WindowQuestions } from "../../sessions/window_questions.ts";
import { writeBot, writeRow } from "./rows.ts";
import { trackTwin } from "./twin.ts";
import { problemOf, propertiesOf, revenueProblem, whereabouts } from "./row_facts.ts";
import { describeIssues, type TrackRow, trackRow } from "./schema.ts";
import type { Sender, SenderOf } from "./sender.ts";
import { type RowsFrom, type Taken, WaitingRows } from "./waiting_rows.ts";
import type { Whereabouts } from "./whereabouts.ts";
import { eventTime } from "./timestamp.ts";

/** The request that {@link TrackIngest} takes. */
export interface TrackRequest {
  readonly inbound: Inbound;
  readonly services: Services;
  /** Of the headers; what is sent in the body counts where they say nothing. */
  readonly credentials: ClientCredentials;
  readonly senderOf: SenderOf;
  /** Does the route take batches only (`/track/batch`)? */
  readonly batchOnly: boolean;
}

/** What became of the headers' credentials. */
export interface TrackSender {
  /** Whom the headers name; where they name none, who it is if the body does not name a client either. */
  readonly sender?: Sender;
  /** Thrown once the body was found well-formed: a bad body is told before bad credentials (contract, 1.2). */
  readonly refusal?: WeirError;
}

/** One request on its way; see {@link Ingest}. */
export class TrackIngest implements Ingest {
  readonly needsEnvelope: boolean;
  readonly #options: TrackRequest;
  #sender: Sender | undefined;
  /** Who it is when neither headers nor body name a client, where that is allowed. */
  readonly #anonymous: Sender | undefined;
  #refusal: WeirError | undefined;
  #isBatch: boolean;
  #last: Whereabouts | undefined;
  /** Who sent the rows, if that was a bot. */
  #bot: Bot | undefined;
  /** Did a guard keep a row out? */
  #isGuarded = false;
  /** Seen so far, whoever sent them. */
  #rows = 0;
  /** Undefined where no daemons share sessions. */
  readonly #waiting: WaitingRows | undefined;
  /** Are rows looked at, and not taken? */
  #isLooking = false;

  constructor(options: TrackRequest, { sender, refusal }: TrackSender) {
    this.#options = options;
    const isNamed = options.credentials.id !== undefined;
    this.#sender = isNamed ? sender : undefined;
    this.#anonymous = isNamed ? undefined : sender;
    this.#refusal = refusal;
    this.needsEnvelope = this.#sender === undefined && refusal === undefined;
    this.#isBatch = options.batchOnly;
    const { shared } = options.services;
    this.#waiting = shared && new WaitingRows({
      shared,
      take: (rows, into) => this.#takeRows(rows, into),
      look: (rows, questions) => this.#lookAt(rows, questions),
    });
  }

  get scope(): string | undefined {
    return this.#sender?.project;
  }

  get heldBytes(): number {
    return this.#waiting?.heldBytes ?? 0;
  }

  async opened(envelope: Readonly<Record<string, unknown>>): Promise<void> {
    const { clientId, clientSecret } = envelope;
    const { inbound, services, senderOf, credentials } = this.#options;
    const { id = textOf(clientId), secret = textOf(clientSecret), origin } = credentials;
    try {
      this.#sender = await senderOf(inbound, services, { id, secret, origin });
    } catch (error) {
      if (!(error instanceof WeirError)) throw error;
      this.#refusal = error;
    }
  }

  twinOf(body: Uint8Array): Twin | undefined {
    const { batchOnly, inbound, services: { config } } = this.#options;
    return batchOnly ? undefined : trackTwin(body, inbound, config.track.duplicate_window_ms);
  }

  takeWhole(body: Uint8Array, unit: Unit, outcomes: Outcomes): boolean {
    const { batchOnly, inbound, services: { config } } = this.#options;
    const sender = this.#sender ?? this.#anonymous;
    if (sender === undefined || this.#refusal !== undefined || sender.isSuspect) return false;
    if (!allowsWhole(config, body) || isFaultPlanned("track.row")) return false;
    sender.events.begin(inbound.arrivedAt);
    const mark = unit.mark();
    let rows = 0;
    try {
      rows = batchOnly
        ? writeCommonBatch(body, unit, { events: sender.events, maxRows: config.track.max_batch_rows })
        : sender.events.writeRows(wholeRow(body), { from: 0, to: 1 }, unit);
    } catch {
      // Row by row it will turn out which one failed, and why.
      unit.rollback(mark);
    }
    if (rows === 0) return false;
    outcomes.accepted += rows;
    this.#sender = sender;
    this.#last = sender.events.last;
    return true;
  }

  takeStretch(stretch: RowStretch, unit: Unit, outcomes: Outcomes): void {
    const { inbound, services: { config } } = this.#options;
    const sender = this.#sender;
    if (sender === undefined || sender.isSuspect || config.limits.max_depth <= maxCommonDepth) return;
    // What comes behind rows that wait waits as well: rows are taken in order.
    if (this.#waiting?.isEmpty === false) return;
    sender.events.begin(inbound.arrivedAt);
    const rows = writeCommonStretch(stretch, { events: sender.events, unit });
    if (rows === 0) return;
    this.#rows += rows;
    outcomes.accepted += rows;
    this.#last = sender.events.last;
  }

  take(window: RowWindow, unit: Unit, outcomes: Outcomes): void | Promise<void> {
    this.#rows += window.count;
    const sender = this.#sender;
    if (sender === undefined) return window.settle();
    const waiting = this.#waiting;
    // What comes behind rows that wait waits as well: rows are taken in order.
    const from = waiting?.isEmpty === false
      ? 0
      : this.#takeRows({ window, from: 0, sender }, { unit, outcomes });
    if (from === window.count || waiting === undefined) return;
    // A body that is one row is judged when it closes.
    const mayWait = this.#options.batchOnly || window.count > 1;
    return waiting.add({ window, from, sender }, { unit, outcomes }, { mayWait });
  }

  settle(unit: Unit, outcomes: Outcomes): Promise<void> | undefined {
    const waiting = this.#waiting;
    if (waiting === undefined) return undefined;
    const isSettled = waiting.isEmpty && unit.identities.every((identity) => identity === undefined);
    return isSettled ? undefined : waiting.settle({ unit, outcomes });
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
      if (this.#rows === 0) throw new WeirError("invalid_body", "A batch must hold at least one row");
      this.#isBatch = true;
    } else if (batchOnly) {
      throw new WeirError("invalid_body", "body/events Invalid input: expected array");
    }
    if (this.#isBatch) return;
    // Whoever is refused is told first what is wrong with the row.
    const problem = this.#sender === undefined ? problemOf(body.envelope) : outcomes.rejected[0]?.error;
    if (problem === undefined || this.#bot !== undefined) return;
    if (this.#isGuarded) throw new WeirError("unauthorized", `Ingestion: ${problem}`);
    const isOurs = outcomes.rejected[0]?.reason === "internal";
    throw new WeirError(isOurs ? "internal" : "validation", problem);
  }

  reply(outcomes: Outcomes, repeats: readonly Identity[]): Reply {
    if (!this.#isBatch) {
      if (this.#bot !== undefined) return { status: 202, body: JSON.stringify({ bot: this.#bot }) };
      const { deviceId, sessionId } = repeats[0]?.first ?? this.#last!;
      return {
        status: 200,
        body: JSON.stringify({ deviceId, sessionId, duplicate: repeats.length > 0 || undefined }),
      };
    }
    const { accepted, rejected, duplicates } = outcomes;
    return { status: 202, body: JSON.stringify({ accepted, rejected, duplicates: duplicates || undefined }) };
  }

  /** Takes rows up to the first one about which other daemons must be asked; answers which that is. */
  #takeRows({ window, from, sender }: RowsFrom, { unit, outcomes }: Taken): number {
    sender.events.begin(this.#options.inbound.arrivedAt);
    for (let i = from; i < window.count; i++) {
      const common = sender.isSuspect ? 0 : writeCommonRows(window, i, { events: sender.events, unit });
      if (common > 0) {
        outcomes.accepted += common;
        this.#last = sender.events.last;
        i += common;
        if (i === window.count) break;
      }
      const mark = unit.mark();
      try {
        this.#takeRow({ window, i, sender }, unit, outcomes);
      } catch (error) {
        if (error instanceof UnknownSession) return i;
        if (error instanceof WeirError) throw error;
        unit.rollback(mark);
        this.#failRow(window.firstIndex + i, error, outcomes);
      }
    }
    return window.count;
  }

  /** Looks at rows as if they were taken, and takes down what must be asked about them. */
  #lookAt(rows: RowsFrom, questions: WindowQuestions): Unit["identities"] {
    const { sessions } = this.#options.services;
    const last = this.#last;
    const unit = new Unit();
    sessions.questions = questions;
    this.#isLooking = true;
    try {
      this.#takeRows(rows, { unit, outcomes: new Outcomes() });
    } finally {
      sessions.questions = undefined;
      this.#isLooking = false;
      this.#last = last;
    }
    return unit.identities;
  }

  /** Stamps the outcome of row i, and adds its records to the unit. */
  #takeRow({ window, i, sender }: Taking, unit: Unit, outcomes: Outcomes): void {
    faultPoint("track.row");
    const index = window.firstIndex + i;
    const malformed = window.malformed(i);
    if (malformed !== undefined) return outcomes.reject(index, "malformed", malformed);
    const value = window.value(i);
    const problem = window.hasUnicodeEscape && holdsLoneSurrogate(value)
      ? "Text must be well-formed: half of a surrogate pair was sent"
      : this.#writeRow({ window, i, sender, value }, unit);
    if (problem === undefined) outcomes.accepted++;
    else outcomes.reject(index, "validation", problem);
  }

  #askGuards(row: TrackRow, { sender, value }: Taking & { value: unknown }): string | undefined {
    if (sender.guard === undefined) return undefined;
    const problem = guardProblem(sender.guard, row, value);
    if (problem === undefined) return undefined;
    this.#isGuarded = true;
    this.#countGuarded(problem.guard);
    return problem.message;
  }

  /** @returns why the row is not taken. */
  #keepOutBot({ row, properties, sender, where, time }: BotRow, unit: Unit): string {
    const { bot } = sender.guard!;
    this.#bot = bot;
    this.#countGuarded("bot");
    const path = properties.__path ?? properties.path;
    if (row.type === "track" && typeof path === "string" && path !== "") {
      writeBot({ sender, where, time, id: this.#options.services.ids.next(), path }, unit);
    }
    return `Sent by a bot: ${bot!.name}`;
  }

  /** A step of what is known to be no number would make no difference. */
  #stepProblem(row: TrackRow, { project }: Sender): string | undefined {
    if (row.type !== "increment" && row.type !== "decrement") return undefined;
    const { profileId, property } = row.payload;
    const profile = this.#options.services.indexes.entity("profile", project, profileId);
    if (profile === undefined || holdsStep(profile.properties, property)) return undefined;
    return "Property value is not a number";
  }

  #countGuarded(guard: string): void {
    if (!this.#isLooking) this.#options.services.metrics.counter("weir_guarded_rows_total").inc({ guard });
  }

  /** A row that we failed on costs no other row. */
  #failRow(index: number, error: unknown, outcomes: Outcomes): void {
    const { inbound, services: { log } } = this.#options;
    if (this.#isLooking) return;
    log.error("A row failed", {
      dialect: "track",
      request_id: inbound.requestId,
      error: describeError(error),
    });
    outcomes.reject(index, "internal", "Internal server error");
  }

  /** @returns why the row is refused, or undefined when its records are in the unit. */
  #writeRow(at: Taking & { value: unknown }, unit: Unit): string | undefined {
    const { sender } = at;
    const checked = trackRow.safeParse(at.value);
    if (!checked.success) return describeIssues(checked.error);
    const row = checked.data;
    const refused = this.#askGuards(row, at);
    if (refused !== undefined) return refused;
    if (row.type === "alias") return "Alias is not supported";
    const properties = propertiesOf(row);
    const { inbound, services } = this.#options;
    const time = eventTime(properties.__timestamp, inbound.arrivedAt, services.config.track);
    if (time === undefined) return "event timestamp older than 5 days";
    const problem = revenueProblem(row, properties) ?? this.#stepProblem(row, sender);
    if (problem !== undefined) return problem;
    const { where, session } = whereabouts(row, properties, { sender, time, arrivedAt: inbound.arrivedAt });
    if (row.type === "replay" && where.sessionId === "") return "Session id is required for replay";
    const insertId = insertIdOf(row, properties);
    const identity = insertId === undefined ? undefined : {
      key: identityKey("project", sender.project, insertId),
      row: at.window.firstIndex + at.i,
      memo: where,
    };
    this.#last = where;
    if (sender.guard?.bot !== undefined) {
      return this.#keepOutBot({ row, properties, sender, where, time }, unit);
    }
    if (row.type === "track" && sender.dropsEvent(row.payload.name)) {
      this.#countGuarded("event");
      return undefined;
    }
    const { bytes } = at.window;
    const [start, end] = [at.window.start(at.i), at.window.end(at.i)];
    const record = unit.mark();
    writeRow(
      { row, bytes, start, end, sender, where, session, time, id: services.ids.next(), insertId, identity },
      unit,
    );
    if (row.type === "track" && session !== undefined) tallyRecord(unit, record, { session, inbound });
    return undefined;
  }
}

/** An event of a bot. */
interface BotRow {
  readonly row: TrackRow;
  readonly properties: Record<string, unknown>;
  readonly sender: Sender;
  readonly where: Whereabouts;
  readonly time: number;
}

/** Row i of a window, and who sent it. */
interface Taking {
  readonly window: RowWindow;
  readonly i: number;
  readonly sender: Sender;
}

/** Counts an event for its session, by what was written of it. */
function tallyRecord(unit: Unit, record: number, of: { session: Session; inbound: Inbound }): void {
  const line = unit.writer.view(unit.starts[record], unit.end(record) - 1);
  tallyColumns(unit.tallyOf(of.session, of.inbound.arrivedAt), record, readColumns(line));
}

function textOf(sent: unknown): string | undefined {
  return typeof sent === "string" ? sent : undefined;
}

/** Do the limits leave the common shape what it needs, so that nobody has to look at them? */
function allowsWhole({ limits }: Config, body: Uint8Array): boolean {
  return limits.max_depth > maxCommonDepth && limits.max_row_bytes >= body.length;
}
