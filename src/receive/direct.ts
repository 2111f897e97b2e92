/**
 * Requests whose rows do not go through the journal: received under the same guards as all others, then stored by
 * their dialect.
 * @module
 */

import { Unit } from "../base/record.ts";
import type { DirectRoute, Inbound, Reply } from "../dialects/dialect.ts";
import { JsonRows } from "../parse/json_rows.ts";
import type { RowWindow } from "../parse/window.ts";
import { inPieces, readBody, readSmallBody } from "./body.ts";
import { bodyFormat } from "./body_format.ts";
import { Breath } from "./breathe.ts";
import type { House } from "./house.ts";
import { firstHold, rowLimits } from "./limits.ts";
import { keepReply, repeatResponse, toResponse } from "./reply.ts";
import type { RowMeter } from "./row_meter.ts";

/** As long as this, a body is read in one piece, which the room made for it covers; chunks of it cost a turn each. */
const wholeBytes = 256 * 1024;

/**
 * Takes one request of a {@link DirectRoute}: its rows as they close, the rest once the body has proven good.
 * @throws WeirError for what refuses the request as a whole; nothing of it is stored then
 */
export async function takeDirect(
  route: DirectRoute,
  request: Request,
  { inbound, house, meter }: { inbound: Inbound; house: House; meter: RowMeter },
): Promise<Response> {
  const { config, stalls } = house;
  const shape = route.shape(config);
  const format = bodyFormat(request.headers, shape);
  const room = firstHold(request.headers, { shape, format, limits: config.limits });
  using lease = await house.admission.enter(room.bytes);
  const session = await route.begin(inbound, house);
  using turn = await house.idempotency.begin(inbound, session.scope);
  if (turn.repeat !== undefined) return repeatResponse(turn.repeat);
  const reading = { maxBytes: shape.maxBytes, stalls };
  const small = await readSmallBody(request, { ...reading, smallBytes: wholeBytes });
  const rows = new JsonRows({ rowsKey: shape.rowsKey, limits: rowLimits(shape, config.limits) });
  const breath = new Breath();
  const take = (window: RowWindow): void => {
    session.take(window);
    window.settle();
    lease.hold((small?.length ?? 0) + rows.capacity + session.heldBytes);
  };
  for await (const chunk of small ? inPieces([small]) : readBody(request, reading)) {
    meter.countBytes(chunk.length);
    for (const window of rows.push(chunk)) {
      take(window);
      await breath.pause();
    }
    await breath.pause();
  }
  for (const window of rows.finish()) take(window);
  if (rows.rowsKey === undefined && shape.single) take(rows.single());
  const reply = await session.finish({ envelope: rows.envelope, rowsKey: rows.rowsKey });
  if (turn.key !== undefined) await keep(turn.key, reply, house);
  return toResponse(reply);
}

/**
 * Makes the reply safe, so that a repeat is given it and not run. It is kept after what it tells of was stored: a
 * crash between the two lets the repeat do the same work again, and tells nothing that is not so.
 */
async function keep(key: string, reply: Reply, { indexes, journal, flusher, clock }: House): Promise<void> {
  const unit = new Unit(2 * reply.body.length + 1_024);
  keepReply(unit, key, { ...reply, at: clock.now() });
  indexes.reserve(unit);
  await journal.append({
    bytes: unit.writer.view(),
    placed: (position) => {
      indexes.place(unit, position);
      flusher.poke();
    },
    released: () => indexes.release(unit),
  });
  unit.writer.free();
}
