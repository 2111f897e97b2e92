import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { WeirError } from "../../src/base/errors.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { Admission, type AdmissionLimits, type Lease } from "../../src/receive/admission.ts";

interface Gate {
  admission: Admission;
  limits: AdmissionLimits;
  obstacle: WeirError | undefined;
  clock: { ms: number };
  refused(): Promise<string[]>;
}

function gate(limits: Partial<AdmissionLimits> = {}): Gate {
  const metrics = createMetrics();
  const clock = { now: () => 0, monotonic: () => clock.ms, ms: 0 };
  const made: Gate = {
    clock,
    limits: { max_in_flight_bytes: 1_000, max_in_flight_requests: 3, admission_wait_ms: 0, ...limits },
    obstacle: undefined,
    admission: new Admission(() => made.limits, { clock, metrics, obstacle: () => made.obstacle }),
    async refused(): Promise<string[]> {
      const text = await metrics.registry.metrics();
      return text.split("\n").filter((line) => line.startsWith("weir_refused_total{"));
    },
  };
  return made;
}

/** Lets in at once, or fails. */
function enter(admission: Admission, bytes: number): Lease {
  const lease = admission.enter(bytes);
  assert(!(lease instanceof Promise), "there is room");
  return lease;
}

function assertRefused(enter: () => unknown, code: string, retryAfterS: number): void {
  const error = assertThrows(enter, WeirError);
  assertEquals([error.code, error.status, error.retryAfterS, error.retryable], [
    code,
    503,
    retryAfterS,
    true,
  ]);
}

Deno.test("Admission lets in as many requests and bytes as its limits say, and no more", async () => {
  const { admission, refused } = gate();
  const leases = [enter(admission, 400), enter(admission, 0), enter(admission, 600)];
  assertEquals([admission.requests, admission.bytes], [3, 1_000]);
  assertRefused(() => admission.enter(0), "overloaded", 1);
  leases[1][Symbol.dispose]();
  assertRefused(() => admission.enter(1), "overloaded", 1);
  using _more = enter(admission, 0);
  leases[0][Symbol.dispose]();
  leases[2][Symbol.dispose]();
  assertEquals([admission.requests, admission.bytes, admission.peakBytes], [1, 0, 1_000]);
  assertEquals(await refused(), ['weir_refused_total{code="overloaded"} 2']);
});

Deno.test("Admission names the limit that was reached, and follows a reload of it", () => {
  const made = gate({ max_in_flight_requests: 1 });
  using _lease = enter(made.admission, 10);
  assertThrows(() => made.admission.enter(0), WeirError, "limits.max_in_flight_requests is 1");
  made.limits = { ...made.limits, max_in_flight_bytes: 15, max_in_flight_requests: 2 };
  assertThrows(() => made.admission.enter(6), WeirError, "limits.max_in_flight_bytes is 15");
  enter(made.admission, 5)[Symbol.dispose]();
  made.limits = { ...made.limits, max_in_flight_bytes: 5, max_in_flight_requests: 2 };
  assertThrows(() => made.admission.enter(1), WeirError, "limits.max_in_flight_bytes is 5");
});

Deno.test("Lease.hold() takes what grows, never falls below what was announced, and is refused past the limit", () => {
  const { admission } = gate();
  const lease = enter(admission, 100);
  lease.hold(700);
  assertEquals([lease.held, admission.bytes], [700, 700]);
  lease.hold(50);
  assertEquals([lease.held, admission.bytes], [100, 100]);
  using _other = enter(admission, 300);
  assertRefused(() => lease.hold(701), "overloaded", 1);
  assertEquals([lease.held, admission.bytes], [100, 400]);
  lease.hold(700);
  assertEquals([admission.bytes, admission.peakBytes], [1_000, 1_000]);
  lease[Symbol.dispose]();
  assertEquals([admission.bytes, admission.requests], [300, 1]);
});

Deno.test("a Lease gives back what it took once, and takes nothing after that", () => {
  const { admission } = gate();
  const lease = enter(admission, 100);
  lease[Symbol.dispose]();
  lease[Symbol.dispose]();
  lease.hold(500);
  assertEquals([admission.bytes, admission.requests], [0, 0]);
});

Deno.test("Admission refuses what stands in the way, and everybody once it is closed", async () => {
  const made = gate();
  made.obstacle = new WeirError("storage_full", "Full", { retryAfterS: 9 });
  assertRefused(() => made.admission.enter(0), "storage_full", 9);
  made.admission.close();
  assertRefused(() => made.admission.enter(0), "draining", 5);
  assertEquals((await made.refused()).sort(), [
    'weir_refused_total{code="draining"} 1',
    'weir_refused_total{code="storage_full"} 1',
  ]);
});

Deno.test("Admission.idle() resolves when the last request has gone", async () => {
  const { admission } = gate();
  await admission.idle();
  const [a, b] = [enter(admission, 1), enter(admission, 1)];
  let idle = 0;
  const waiting = [admission.idle(), admission.idle()].map((promise) => promise.then(() => idle++));
  admission.close();
  a[Symbol.dispose]();
  await Promise.resolve();
  assertEquals(idle, 0);
  b[Symbol.dispose]();
  await Promise.all(waiting);
  assertEquals(idle, 2);
  await admission.idle();
});

Deno.test("Admission counts exactly what its open leases hold, whatever happens in between", () => {
  const amount = fc.nat(400);
  const step = fc.oneof(
    fc.record({ do: fc.constant("enter" as const), amount, which: fc.constant(0) }),
    fc.record({ do: fc.constant("hold" as const), amount, which: fc.nat(5) }),
    fc.record({ do: fc.constant("leave" as const), amount: fc.constant(0), which: fc.nat(5) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { admission } = gate({ max_in_flight_requests: 5 });
      const open: { lease: Lease; announced: number; held: number }[] = [];
      let peak = 0;
      const total = (): number => open.reduce((sum, { held }) => sum + held, 0);
      for (const { do: what, amount, which } of steps) {
        const chosen = open[which % Math.max(1, open.length)];
        try {
          if (what === "enter") {
            open.push({ lease: enter(admission, amount), announced: amount, held: amount });
          } else if (what === "hold" && chosen) {
            chosen.lease.hold(amount);
            chosen.held = Math.max(amount, chosen.announced);
          } else if (chosen) {
            chosen.lease[Symbol.dispose]();
            open.splice(open.indexOf(chosen), 1);
          }
        } catch (error) {
          assert(error instanceof WeirError);
          const wanted = what === "enter" ? amount : Math.max(amount, chosen.announced) - chosen.held;
          assert(open.length === 5 || total() + wanted > 1_000, "it was refused for a reason");
        }
        peak = Math.max(peak, total());
        assertEquals([admission.bytes, admission.requests], [total(), open.length]);
        assert(admission.bytes >= 0 && admission.bytes <= 1_000 && open.length <= 5);
      }
      assertEquals(admission.peakBytes, peak);
      for (const { lease } of open) lease[Symbol.dispose]();
      assertEquals([admission.bytes, admission.requests], [0, 0]);
    }),
    { seed: 7400, numRuns: 500 },
  );
});

Deno.test("Admission holds up those for whom there is no room, and lets them in in their order", async () => {
  const { admission } = gate({ admission_wait_ms: 1_000 });
  const first = enter(admission, 900);
  const came: number[] = [];
  const waiting = [500, 500, 50].map((bytes, i) =>
    Promise.resolve(admission.enter(bytes)).then((lease) => {
      came.push(i);
      return lease;
    })
  );
  assertEquals(admission.waiting, 2, "a small one passes");
  first[Symbol.dispose]();
  const small = await waiting[2];
  const second = await waiting[0];
  assertEquals([came, admission.waiting, admission.bytes], [[2, 0], 1, 550]);
  second.hold(500);
  second[Symbol.dispose]();
  const third = await waiting[1];
  assertEquals([came, admission.waiting, admission.bytes], [[2, 0, 1], 0, 550]);
  third[Symbol.dispose]();
  small[Symbol.dispose]();
});

Deno.test("Admission lets in those in line when a lease shrinks, and no request needs more than there is", async () => {
  const { admission } = gate({ admission_wait_ms: 1_000 });
  const first = enter(admission, 100);
  first.hold(1_000);
  const waiting = admission.enter(5_000);
  const other = admission.enter(900);
  assertEquals(admission.waiting, 2);
  first[Symbol.dispose]();
  const large = await waiting;
  assertEquals([large.held, admission.waiting], [1_000, 1]);
  large[Symbol.dispose]();
  (await other)[Symbol.dispose]();
  assertEquals([admission.bytes, admission.requests], [0, 0]);
});

Deno.test("Admission refuses who has waited too long, and everybody in line once it is closed", async () => {
  const made = gate({ admission_wait_ms: 1, max_in_flight_requests: 4 });
  const first = enter(made.admission, 1_000);
  const late = Promise.resolve(made.admission.enter(100));
  made.clock.ms = 5;
  assertEquals((await assertRejects(() => late, WeirError)).code, "overloaded");
  made.limits = { ...made.limits, admission_wait_ms: 60_000 };
  const waiting = [200, 300, 400].map((bytes) => Promise.resolve(made.admission.enter(bytes)));
  assertThrows(() => made.admission.enter(100_000), WeirError, "limits.max_in_flight_requests is 4");
  made.admission.close();
  for (const promise of waiting) {
    assertEquals((await assertRejects(() => promise, WeirError)).code, "draining");
  }
  assertEquals([made.admission.waiting, made.admission.requests], [0, 1]);
  first[Symbol.dispose]();
});

Deno.test("Admission holds up who comes while a flush must make room, and refuses for what will not pass", async () => {
  const made = gate({ admission_wait_ms: 20_000 });
  made.obstacle = new WeirError("overloaded", "a flush must come first");
  let entered = 0;
  const waiting = [1, 2].map(async () => {
    const lease = await made.admission.enter(1);
    entered++;
    lease[Symbol.dispose]();
  });
  made.admission.wake();
  await Promise.resolve();
  assertEquals([made.admission.waiting, entered], [2, 0]);
  made.obstacle = new WeirError("journal_failed", "the disk is gone");
  assertRefused(() => made.admission.enter(1), "journal_failed", 1);
  made.obstacle = undefined;
  made.admission.wake();
  await Promise.all(waiting);
  assertEquals([made.admission.waiting, entered, made.admission.requests], [0, 2, 0]);
});
