/**
 * The way of the data, in the order in which it flows:
 *
 *     receive -> parse -> window -> validate, dispatch -> journal -> index          (later: flush)
 *
 * A JSON body is one unit: its records are stored together once it closed well-formed, or not at all. An NDJSON
 * body is a unit for each window.
 * @module
 */

import type { BufferPool } from "./base/buffer_pool.ts";
import { Outcomes } from "./base/outcome.ts";
import { Unit } from "./base/record.ts";
import type { BodyShape, Inbound, Ingest, IngestRoute, Reply } from "./dialects/dialect.ts";
import { JsonRows } from "./parse/json_rows.ts";
import { NdjsonRows } from "./parse/ndjson_rows.ts";
import { isUtf8 } from "./parse/utf8.ts";
import { RowStretch } from "./parse/row_stretch.ts";
import type { RowLimits, RowSource, RowWindow } from "./parse/window.ts";
import type { Lease } from "./receive/admission.ts";
import { contentLength, inPieces, readBody, readSmallBody } from "./receive/body.ts";
import { bodyFormat } from "./receive/body_format.ts";
import { Breath } from "./receive/breathe.ts";
import { Held } from "./receive/held.ts";
import { Inflow } from "./receive/inflow.ts";
import { knowSender } from "./receive/know_sender.ts";
import type { House } from "./receive/house.ts";
import { firstHold, rowLimits } from "./receive/limits.ts";
import { keepReply, repeatResponse, toResponse } from "./receive/reply.ts";
import type { RowMeter } from "./receive/row_meter.ts";
import type { TwinTurn } from "./receive/twins.ts";
import { UnitFrame } from "./receive/unit_frame.ts";
import { VerdictStream } from "./receive/verdict_stream.ts";

/** One request on its way. */
interface Passage {
  readonly house: House;
  readonly meter: RowMeter;
  readonly session: Ingest;
  /** Key of the Idempotency-Key, if one was sent. */
  readonly key: string | undefined;
  /** What the same request is told when it comes again at once; undefined where it may come again. */
  readonly twin: TwinTurn | undefined;
  /** Must a unit be stored behind the ones before it, whatever it holds? */
  readonly follows?: boolean;
}

/** What one that is read window by window needs besides. */
interface Reader {
  readonly shape: BodyShape;
  readonly lease: Lease;
  /** First size of the unit for all of a body. */
  readonly unitBytes: number;
  readonly limits: RowLimits;
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Takes one request with rows. Whatever it answers with 2xx is safe by then.
 * @throws WeirError for what refuses the request as a whole; nothing of it is stored then
 */
export async function ingest(
  route: IngestRoute,
  request: Request,
  { inbound, house, meter }: { inbound: Inbound; house: House; meter: RowMeter },
): Promise<Response> {
  const { config, stalls } = house;
  const shape = route.shape(config);
  const format = bodyFormat(request.headers, shape);
  const room = firstHold(request.headers, { shape, format, limits: config.limits });
  // What is there already is not awaited: that would cost more than most of what is done here.
  const entered = house.admission.enter(room.bytes);
  const lease = entered instanceof Promise ? await entered : entered;
  const held = new Held(lease);
  try {
    const opened = route.open(inbound, house);
    const session = opened instanceof Promise ? await opened : opened;
    const { announced } = room;
    const inflow = format === "json"
      ? undefined
      : new Inflow(house.clock, contentLength(request.headers) !== undefined);
    const reading = { maxBytes: inflow ? Infinity : shape.maxBytes, stalls, announced, inflow };
    const small = format === "json" ? await readSmallBody(request, reading) : undefined;
    const known = small && session.twinOf?.(small);
    const twin = known && held.use(await house.twins.begin(known));
    if (twin?.repeat !== undefined) return toResponse(twin.repeat);
    const common = small && takeCommonShape(small, session, house.buffers);
    let reader: Reader | undefined;
    if (common === undefined) {
      const limits = rowLimits(shape, config.limits);
      const chunks = small ? inPieces([small]) : readBody(request, reading);
      const body = await knowSender(chunks, { format, shape, session, lease, limits });
      reader = { shape, lease, unitBytes: room.unitBytes, limits, body };
    }
    const begun = house.idempotency.begin(inbound, session.scope);
    const { repeat, key } = begun instanceof Promise ? held.use(await begun) : begun;
    if (repeat !== undefined) return repeatResponse(repeat);
    const passage: Passage = { house, meter, session, key, twin };
    if (reader !== undefined && inflow !== undefined) {
      session.admit();
      return takeStream(passage, reader, { inflow, held: held.move() });
    }
    if (common) meter.countBytes(small.length);
    const taken = common ?? await takeBody(passage, reader!);
    const settled = session.settle?.(taken.unit, taken.outcomes);
    if (settled !== undefined) await settled;
    const { reply, stored } = store(taken, passage);
    await stored;
    return finish(taken, reply, passage);
  } finally {
    held[Symbol.dispose]();
  }
}

/** What a body has become: records to be stored together, and an outcome for each row. */
interface Taken {
  readonly unit: Unit;
  readonly outcomes: Outcomes;
}

/** A small body of the dialect's most common shape: one row, dispatched straight from its bytes. */
function takeCommonShape(body: Uint8Array, session: Ingest, buffers: BufferPool): Taken | undefined {
  if (session.takeWhole === undefined || !isUtf8(body, 0, body.length)) return undefined;
  const taken = { unit: new Unit(2 * body.length + 1_024, buffers), outcomes: new Outcomes() };
  if (session.takeWhole(body, taken.unit, taken.outcomes)) return taken;
  taken.unit.writer.free();
  return undefined;
}

/** A JSON body: every window dispatched as it closes; all of it is to be stored at the end. */
async function takeBody(passage: Passage, reader: Reader): Promise<Taken> {
  const { house, session } = passage;
  const { shape, lease, limits, unitBytes } = reader;
  const rows = new JsonRows({ rowsKey: shape.rowsKey, limits, buffers: house.buffers });
  const taken = { unit: new Unit(unitBytes, house.buffers), outcomes: new Outcomes() };
  const dispatch = async (piece: RowWindow | RowStretch): Promise<void> => {
    if (piece instanceof RowStretch) session.takeStretch!(piece, taken.unit, taken.outcomes);
    else {
      await session.take(piece, taken.unit, taken.outcomes);
      piece.settle();
    }
    lease.hold(rows.capacity + taken.unit.writer.capacity + (session.heldBytes ?? 0));
  };
  const source: RowSource<RowWindow | RowStretch> = session.takeStretch ? rows.offering() : rows;
  for await (const piece of windows(reader.body, source, passage.meter)) await dispatch(piece);
  if (rows.rowsKey === undefined && shape.single) await dispatch(rows.single());
  rows.free();
  session.close({ envelope: rows.envelope, rowsKey: rows.rowsKey }, taken.outcomes);
  session.admit();
  return taken;
}

/** All of a body is safe: its reply may be sent. */
function finish({ unit, outcomes }: Taken, reply: Reply, passage: Passage): Response {
  unit.writer.free();
  passage.meter.count(outcomes);
  passage.twin?.done(reply);
  return toResponse(reply);
}

const streamReply = { status: 202, contentType: "application/x-ndjson" } as const;

/** An NDJSON body: every window stored by itself, its verdict sent as soon as it is safe. */
async function takeStream(
  passage: Passage,
  { lease, limits, body }: Reader,
  { inflow, held }: { inflow: Inflow; held: Held },
): Promise<Response> {
  const { session, house, meter, key } = passage;
  const rows = new NdjsonRows({ limits: { ...limits, maxRows: Infinity, maxBodyBytes: Infinity } });
  const verdicts = new VerdictStream({ inflow, clock: house.clock });
  let onTheirWay = 0;
  const storeWindow = async (unit: Unit, outcomes: Outcomes): Promise<void> => {
    // What is stored of a stream is its beginning, also when it is cut short.
    const follows = onTheirWay++ > 0;
    await store({ unit, outcomes }, { ...passage, key: undefined, follows }).stored.finally(() =>
      onTheirWay--
    );
    unit.writer.free();
    meter.count(outcomes);
  };
  const run = async (): Promise<void> => {
    for await (const window of windows(body, rows, meter)) {
      const unit = new Unit(2 * (window.end(window.count - 1) - window.start(0)) + 1_024, house.buffers);
      const outcomes = new Outcomes();
      await session.take(window, unit, outcomes);
      await session.settle?.(unit, outcomes);
      const { capacity: bytes } = unit.writer;
      lease.hold(rows.capacity + verdicts.heldBytes + bytes);
      const stored = storeWindow(unit, outcomes);
      await verdicts.add(window.firstIndex + window.count - 1, outcomes, { stored, bytes });
    }
    if (key === undefined) return;
    const unit = new Unit();
    keepReply(unit, key, { ...streamReply, body: await verdicts.summary(), at: house.clock.now() });
    await storeWindow(unit, new Outcomes());
  };
  run()
    .then(() => verdicts.finish(), (error) => verdicts.finish({ error }))
    .finally(() => held[Symbol.dispose]());
  await verdicts.due;
  const { status, contentType } = streamReply;
  return new Response(verdicts.body, { status, headers: { "content-type": contentType } });
}

/** Windows of rows, as their last bytes arrive; long work gives others a turn between two of them. */
async function* windows<Piece>(
  body: AsyncIterable<Uint8Array>,
  rows: RowSource<Piece>,
  meter: RowMeter,
): AsyncGenerator<Piece> {
  const breath = new Breath();
  for await (const chunk of body) {
    meter.countBytes(chunk.length);
    for (const window of rows.push(chunk)) {
      yield window;
      await breath.pause();
    }
    // Decoding and scanning take their time also where no row comes of it.
    await breath.pause();
  }
  yield* rows.finish();
}

/** Decides repeats, makes the reply, and sends the unit to the journal: no other request comes between. */
function store({ unit, outcomes }: Taken, passage: Passage): { reply: Reply; stored: Promise<void> } {
  const { house, session, key, follows } = passage;
  const { indexes, journal, clock } = house;
  const reserved = indexes.reserve(unit);
  const { identities, duplicateBatches } = reserved;
  outcomes.duplicates += identities.length + duplicateBatches;
  const reply = session.reply(outcomes, identities);
  if (key !== undefined) keepReply(unit, key, { ...reply, at: clock.now() });
  if (unit.count === 0) return { reply, stored: journal.barrier() };
  const frame = new UnitFrame(unit, reserved, { house, mustFollow: follows });
  return { reply, stored: journal.append(frame) };
}
