import { assert, assertEquals, assertMatch } from "@std/assert";
import { Ajv } from "ajv";
import otlpRoot from "@opentelemetry/otlp-transformer/build/src/generated/root.js";
import speedscopeSchema from "speedscope/dist/release/file-format-schema.json" with { type: "json" };
import { exportFormats, type ExportName } from "../../src/traces/exports.ts";
import type { TracedRequest } from "../../src/traces/traced_request.ts";
import { runProgram } from "./traced_program.ts";

const encoder = new TextEncoder();
const fields = { method: "GET", url: "/a?x=1", status: 500, dur_ms: 12.5, key: "GET /a", action_id: null };

function requestOf(events: readonly unknown[], pieceBytes = 997): TracedRequest {
  const bytes = encoder.encode(JSON.stringify(events));
  return {
    ...{ app: "shop", sid: "S1", rid: "R1", firstT: 1_763_600_000_000, lastT: 1_763_600_000_900, fields },
    ...{ complete: true, missingCount: 0 },
    // A piece is overwritten once the next is asked for, as those of stored requests are.
    async *events(): AsyncGenerator<Uint8Array> {
      const buffer = new Uint8Array(pieceBytes);
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const piece = bytes.subarray(at, at + pieceBytes);
        buffer.set(piece);
        await Promise.resolve();
        yield buffer.subarray(0, piece.length);
        buffer.fill(0x78);
      }
    },
  };
}

async function textOf(format: ExportName, request: TracedRequest): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of exportFormats[format].write(request)) {
    text += decoder.decode(piece, { stream: true });
  }
  return text;
}

const shapes: [string, unknown[]][] = [
  ["no events", []],
  ["nested calls", runProgram({ size: 300, seed: 3, numbering: "depth", isParallel: false }).events],
  ["parallel calls", runProgram({ size: 400, seed: 5, numbering: "spans", isParallel: true }).events],
  ["calls in order alone", runProgram({ size: 100, seed: 7, numbering: "order", isParallel: false }).events],
  ["what does not fit", [
    { type: "exit", fn: "stray", t: 1_763_600_000_001 },
    {
      type: "enter",
      fn: "a",
      spanId: 1,
      parentSpanId: null,
      t: 1_763_600_000_002,
      args: ["ä", { deep: [1] }],
    },
    { type: "enter", fn: "b", spanId: 2, parentSpanId: 1, t: 1_763_600_000_000 },
    { kind: "mark" },
    {
      type: "exit",
      fn: "a",
      spanId: 1,
      t: 1_763_600_000_003,
      threw: true,
      error: { name: "E", message: "m", stack: "s" },
    },
    "no object",
    null,
  ]],
];

interface ChromeEvent {
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly name?: string;
  readonly args?: Record<string, unknown>;
}

for (const [what, events] of shapes) {
  Deno.test(`Chrome traces of ${what}: times only grow, and on every thread begins and ends pair`, async () => {
    const file = JSON.parse(await textOf("chrome", requestOf(events)));
    const { traceEvents, otherData, displayTimeUnit } = file as Record<string, never> & {
      traceEvents: ChromeEvent[];
    };
    assertEquals([displayTimeUnit, (otherData as { rid: string }).rid], ["ms", "R1"]);
    const stacks = new Map<number, string[]>();
    let last = -1;
    let begun = 0;
    for (const { ph, tid, ts, name } of traceEvents) {
      assertMatch(ph, /^[BEMi]$/);
      if (ph === "M") continue;
      assert(ts >= last, `${ts} after ${last}`);
      last = ts;
      const stack = stacks.get(tid) ?? [];
      stacks.set(tid, stack);
      if (ph === "B") stack.push(name!);
      if (ph === "B") begun++;
      if (ph === "E") assert(stack.pop() !== undefined, "an end without a begin");
    }
    for (const stack of stacks.values()) assertEquals(stack, []);
    const enters = events.filter((event) => (event as { type?: string } | null)?.type === "enter").length;
    const moved = traceEvents.filter(({ ph, args }) => ph === "B" && args?.continued).length;
    assertEquals(begun - moved, enters);
  });

  Deno.test(`speedscope files of ${what} fit the published schema, and their stacks are whole`, async () => {
    const file = JSON.parse(await textOf("speedscope", requestOf(events)));
    const ajv = new Ajv({ strict: false });
    assert(ajv.validate(speedscopeSchema, file) as boolean, ajv.errorsText());
    const { profiles, shared: { frames } } = file;
    assert(profiles.length > 0);
    for (const { type, events, startValue, endValue } of profiles) {
      assertEquals([type, startValue], ["evented", 0]);
      const stack: number[] = [];
      let last = 0;
      // What speedscope itself insists on.
      for (const { type, frame, at } of events) {
        assert(frame < frames.length && at >= last && at <= endValue);
        last = at;
        if (type === "O") stack.push(frame);
        else assertEquals(stack.pop(), frame);
      }
      assertEquals(stack, []);
    }
  });

  Deno.test(`OTLP of ${what} is decoded by OpenTelemetry's own messages, and its parents exist`, async () => {
    const text = await textOf("otlp", requestOf(events));
    // deno-lint-ignore no-explicit-any -- generated code without types of use
    const messages = (otlpRoot as any).opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
    // In JSON, ids are hex where protobuf's own mapping has base64.
    const json = JSON.parse(text, (key, value) => {
      if (!/^(trace|span|parentSpan)Id$/.test(key)) return value;
      assertMatch(value, key === "traceId" ? /^[0-9a-f]{32}$/ : /^[0-9a-f]{16}$/);
      return Uint8Array.from(value.match(/../g), (hex: string) => parseInt(hex, 16));
    });
    assertEquals(messages.verify(messages.fromObject(json)), null);
    const decoded = messages.toObject(messages.decode(messages.encode(messages.fromObject(json)).finish()), {
      ...{ longs: String, defaults: true },
    });
    const [{ resource, scopeSpans: [{ spans }] }] = decoded.resourceSpans;
    assertEquals(resource.attributes, [{ key: "service.name", value: { stringValue: "shop" } }]);
    const sent = JSON.parse(text).resourceSpans[0].scopeSpans[0].spans;
    assertEquals(spans.length, sent.length);
    assertKnownMembers(JSON.parse(text));
    const ids = new Set(sent.map(({ spanId }: { spanId: string }) => spanId));
    assertEquals(ids.size, sent.length);
    const roots = sent.filter(({ parentSpanId }: { parentSpanId?: string }) => parentSpanId === undefined);
    assertEquals(roots.map(({ name, kind }: { name: string; kind: number }) => [name, kind]), [[
      "GET /a",
      2,
    ]]);
    for (const { parentSpanId, startTimeUnixNano, endTimeUnixNano } of sent) {
      assert(parentSpanId === undefined || ids.has(parentSpanId));
      assert(BigInt(startTimeUnixNano) <= BigInt(endTimeUnixNano));
    }
    const enters = events.filter((event) => (event as { type?: string } | null)?.type === "enter").length;
    assertEquals(sent.length, enters + 1);
  });

  Deno.test(`NDJSON of ${what} is every event on a line of its own`, async () => {
    for (const pieceBytes of [1, 7, 997, 1 << 20]) {
      const lines = (await textOf("ndjson", requestOf(events, pieceBytes))).split("\n").filter((line) =>
        line !== ""
      );
      assertEquals(lines.map((line) => JSON.parse(line)), events);
    }
  });
}

/** Unknown members would be dropped without a word by a receiver. */
function assertKnownMembers(message: unknown): void {
  const known = new Set([
    ...["resourceSpans", "resource", "attributes", "scopeSpans", "scope", "name", "spans", "key", "value"],
    ...["stringValue", "intValue", "boolValue", "doubleValue", "traceId", "spanId", "parentSpanId", "kind"],
    ...["startTimeUnixNano", "endTimeUnixNano", "events", "timeUnixNano", "status", "code", "message"],
  ]);
  JSON.stringify(message, (key, value) => {
    assert(key === "" || /^\d+$/.test(key) || known.has(key), key);
    return value;
  });
}

Deno.test("OTLP tells a throw as status and exception, and arguments as text", async () => {
  const [, , , , [, events]] = shapes;
  const { resourceSpans: [{ scopeSpans: [{ spans }] }] } = JSON.parse(
    await textOf("otlp", requestOf(events)),
  );
  // deno-lint-ignore no-explicit-any -- see above
  const thrown = spans.find(({ name }: any) => name === "a");
  assertEquals(thrown.status, { code: 2, message: "m" });
  assertEquals(thrown.events[0].name, "exception");
  assertEquals(
    thrown.attributes.find(({ key }: { key: string }) => key === "weir.args").value,
    { stringValue: `["ä",{"deep":[1]}]` },
  );
  // deno-lint-ignore no-explicit-any -- see above
  const open = spans.find(({ name }: any) => name === "b");
  assert(open.attributes.some(({ key }: { key: string }) => key === "weir.unfinished"));
  assertEquals(open.parentSpanId, thrown.spanId);
  const root = spans.at(-1);
  assertEquals(root.status, { code: 2 });
});

Deno.test("speedscope files of more lanes than fit into memory are made in several passes", async () => {
  // Eight lanes of calls that never wait for each other, with names so long that two lanes fill what is held.
  const events: unknown[] = [];
  const fn = "f".repeat(10);
  for (let lane = 0; lane < 8; lane++) events.push({ type: "enter", fn, spanId: lane, parentSpanId: null });
  for (let i = 0; i < 20_000; i++) {
    for (let lane = 0; lane < 8; lane++) {
      const spanId = 100 + i * 8 + lane;
      events.push({ type: "enter", fn, spanId, parentSpanId: lane }, { type: "exit", fn, spanId });
    }
  }
  let reads = 0;
  const request = requestOf(events, 65_536);
  const counting = { ...request, events: () => (reads++, request.events()) };
  const file = JSON.parse(await textOf("speedscope", counting));
  assertEquals(file.profiles.length, 8);
  for (const { events } of file.profiles) assertEquals(events.length, 40_002);
  assert(reads > 1, "one pass was enough: the test shows nothing");
});
