/**
 * Calls: requests whose protocol reads its own body. They come under the same guards as all others, and what they
 * store is as safe.
 * @module
 */

import type { Outcomes } from "../base/outcome.ts";
import type { Unit } from "../base/record.ts";
import type { Call, CallRoute, Inbound } from "../dialects/dialect.ts";
import { contentLength, readBody } from "./body.ts";
import type { House } from "./house.ts";
import type { RowMeter } from "./row_meter.ts";
import { UnitFrame } from "./unit_frame.ts";

/** Memory for each byte of a message: itself, what it becomes, and the record of that. */
const heldPerByte = 3;
/** What a call of unknown length is taken for at first. */
const unknownBytes = 65_536;

/**
 * Takes one request of a {@link CallRoute}.
 * @throws WeirError for what the protocol has no words for
 */
export async function takeCall(
  route: CallRoute,
  request: Request,
  { inbound, house, meter }: { inbound: Inbound; house: House; meter: RowMeter },
): Promise<Response> {
  const { admission, config, stalls } = house;
  using held = new DisposableStack();
  const maxBytes = route.maxBytes(config);
  async function* readAdmitted(): AsyncGenerator<Uint8Array> {
    const announced = Math.min(contentLength(request.headers) ?? unknownBytes, maxBytes);
    const lease = held.use(await admission.enter(heldPerByte * announced));
    let bytes = 0;
    for await (const chunk of readBody(request, { maxBytes: Infinity, stalls, asSent: true })) {
      bytes += chunk.length;
      meter.countBytes(chunk.length);
      lease.hold(heldPerByte * Math.min(bytes, maxBytes));
      yield chunk;
    }
  }
  const call: Call = {
    inbound,
    signal: request.signal,
    body: readAdmitted(),
    store: (unit, outcomes) => store(unit, outcomes, { house, meter }),
  };
  return await route.call(call, house);
}

/** Decides repeats and sends the unit to the journal; resolves when it is safe. */
async function store(
  unit: Unit,
  outcomes: Outcomes,
  { house, meter }: { house: House; meter: RowMeter },
): Promise<void> {
  const { indexes, journal } = house;
  const reserved = indexes.reserve(unit);
  const { identities, duplicateBatches } = reserved;
  outcomes.duplicates += identities.length + duplicateBatches;
  if (unit.count === 0) await journal.barrier();
  else {
    await journal.append(new UnitFrame(unit, reserved, { house }));
  }
  unit.writer.free();
  meter.count(outcomes);
}
