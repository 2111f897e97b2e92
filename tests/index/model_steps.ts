/**
 * Steps that an index may go through, made by fast-check: units, flushes, failures, crashes.
 * @module
 */

import fc from "fast-check";

/** Names of which there are few, so that they meet. */
export const sids = ["S", "T"];
export const rids = ["r0", "r1", "r2"];
export const projects = ["p", "q"];
export const insertIds = ["i0", "i1", "i2", "i3"];
export const replyKeys = ["k0", "k1"];

/** One record of a unit. */
export type RecordChoice =
  | { what: "row"; project: string; days: number; insertId: string | undefined; records: number }
  | { what: "batch"; sid: string; rid: string; index?: number; content: number; total?: number }
  | { what: "meta"; sid: string; rid: string }
  | { what: "reply"; key: string };

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const recordArbitrary: fc.Arbitrary<RecordChoice> = fc.oneof(
  fc.record({
    what: fc.constant("row" as const),
    project: fc.constantFrom(...projects),
    days: fc.nat(1),
    insertId: optional(fc.constantFrom(...insertIds)),
    records: fc.integer({ min: 1, max: 2 }),
  }),
  fc.record({
    what: fc.constant("batch" as const),
    sid: fc.constantFrom(...sids),
    rid: fc.constantFrom(...rids),
    index: optional(fc.constantFrom(0, 1, 2, 3, 7_000_000_000)),
    content: fc.nat(3),
    total: optional(fc.integer({ min: 0, max: 4 })),
  }),
  fc.record({
    what: fc.constant("meta" as const),
    sid: fc.constantFrom(...sids),
    rid: fc.constantFrom(...rids),
  }),
  fc.record({ what: fc.constant("reply" as const), key: fc.constantFrom(...replyKeys) }),
);
const batchesArbitrary: fc.Arbitrary<RecordChoice[]> = fc.array(
  fc.record({
    what: fc.constant("batch" as const),
    sid: fc.constant("S"),
    rid: fc.constant("r0"),
    index: optional(fc.nat(19)),
    content: fc.nat(9),
    total: fc.constant(undefined),
  }),
  { minLength: 10, maxLength: 20 },
);
const unitArbitrary: fc.Arbitrary<RecordChoice[]> = fc.oneof(
  { weight: 5, arbitrary: fc.array(recordArbitrary, { minLength: 1, maxLength: 5 }) },
  { weight: 1, arbitrary: batchesArbitrary },
);
/** Any step. */
export const stepArbitrary = fc.oneof(
  { weight: 6, arbitrary: fc.record({ step: fc.constant("reserve" as const), unit: unitArbitrary }) },
  { weight: 4, arbitrary: fc.record({ step: fc.constant("place" as const) }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("refuse" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant("plan" as const),
      mode: fc.constantFrom("due" as const, "all" as const),
      early: optional(unitArbitrary),
      minSegmentsBack: optional(fc.nat(3)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("commit" as const) }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("fail" as const) }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("wait" as const), ms: fc.nat(1500) }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("warm" as const), keys: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("crash" as const) }) },
);
/** One thing that befalls the index. */
export type Step = typeof stepArbitrary extends fc.Arbitrary<infer T> ? T : never;
