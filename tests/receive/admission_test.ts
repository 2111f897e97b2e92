import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { WeirError } from "../../src/base/errors.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { Admission, type AdmissionLimits, type Lease } from "../../src/receive/admission.ts";

interface Gate {
  admission: Admission;
  limits: AdmissionLimits;
  obstacle: WeirError | undefined;
  refused(): Promise<string[]>;
}

function gate(limits: Partial<AdmissionLimits> = {}): Gate {
  const metrics = createMetrics();
  const made: Gate = {
    limits: { max_in_flight_bytes: 1_000, max_in_flight_requests: 3, ...limits },
    obstacle: undefined,
    admission: new Admission(() => made.limits, { metrics, obstacle: () => made.obstacle }),
    async refused(): Promise<string[]> {
      const text = await metrics.registry.metrics();
      return text.split("\n").filter((line) => line.startsWith("weir_refused_total{"));
    },
  };
  return made;
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
  const leases = [admission.enter(400), admission.enter(0), admission.enter(600)];
  assertEquals([admission.requests, admission.bytes], [3, 1_000]);
  assertRefused(() => admission.enter(0), "overloaded", 1);
  leases[1][Symbol.dispose]();
  assertRefused(() => admission.enter(1), "overloaded", 1);
  using _more = admission.enter(0);
  leases[0][Symbol.dispose]();
  leases[2][Symbol.dispose]();
  assertEquals([admission.requests, admission.bytes, admission.peakBytes], [1, 0, 1_000]);
  assertEquals(await refused(), ['weir_refused_total{code="overloaded"} 2']);
});

Deno.test("Admission names the limit that was reached, and follows a reload of it", () => {
  const made = gate({ max_in_flight_requests: 1 });
  using _lease = made.admission.enter(10);
  assertThrows(() => made.admission.enter(0), WeirError, "limits.max_in_flight_requests is 1");
  made.limits = { max_in_flight_bytes: 15, max_in_flight_requests: 2 };
  assertThrows(() => made.admission.enter(6), WeirError, "limits.max_in_flight_bytes is 15");
  made.admission.enter(5)[Symbol.dispose]();
  made.limits = { max_in_flight_bytes: 5, max_in_flight_requests: 2 };
  assertThrows(() => made.admission.enter(0), WeirError, "limits.max_in_flight_bytes is 5");
});

Deno.test("Lease.hold() takes what grows, never falls below what was announced, and is refused past the limit", () => {
  const { admission } = gate();
  const lease = admission.enter(100);
  lease.hold(700);
  assertEquals([lease.held, admission.bytes], [700, 700]);
  lease.hold(50);
  assertEquals([lease.held, admission.bytes], [100, 100]);
  using _other = admission.enter(300);
  assertRefused(() => lease.hold(701), "overloaded", 1);
  assertEquals([lease.held, admission.bytes], [100, 400]);
  lease.hold(700);
  assertEquals([admission.bytes, admission.peakBytes], [1_000, 1_000]);
  lease[Symbol.dispose]();
  assertEquals([admission.bytes, admission.requests], [300, 1]);
});

Deno.test("a Lease gives back what it took once, and takes nothing after that", () => {
  const { admission } = gate();
  const lease = admission.enter(100);
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
  const [a, b] = [admission.enter(1), admission.enter(1)];
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
            open.push({ lease: admission.enter(amount), announced: amount, held: amount });
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
