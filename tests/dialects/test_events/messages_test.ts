import { create, type DescMessage, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { assertEquals } from "@std/assert";
import {
  HeartbeatEventRequestSchema,
  StepEndEventRequestSchema,
  TestBeginEventRequestSchema,
  TestRunEndEventRequestSchema,
} from "../../../src/dialects/test_events/messages/testsystem/v1/events_pb.ts";
import {
  AckResponseSchema,
  TestEventCollector,
} from "../../../src/dialects/test_events/messages/testsystem/v1/observer_pb.ts";

/** Contract `test_events`, section 1: made with protoc's own encoder. */
const vectors: [DescMessage, string, unknown][] = [
  [HeartbeatEventRequestSchema, "0a026f6b", { sourceId: "ok" }],
  [AckResponseSchema, "080112026f6b", { success: true, message: "ok" }],
  [AckResponseSchema, "12026e6f1800", { message: "no", errorCode: 0 }],
  [
    TestBeginEventRequestSchema,
    "0a180a02743112016e2202723130073a0208017a024061880101",
    {
      testCase: {
        ...{ id: "t1", name: "n", runId: "r1", status: "RUNNING", startTime: "1970-01-01T00:00:01Z" },
        ...{ tags: ["@a"], retryCount: 1 },
      },
    },
  ],
  [
    StepEndEventRequestSchema,
    "0a290a027331120272311a0274313a0410c0843d4a100a0863617465676f72791204686f6f6b6001880101",
    {
      step: {
        ...{ id: "s1", runId: "r1", testCaseId: "t1", duration: "0.001s", metadata: { category: "hook" } },
        ...{ status: "PASSED", retryIndex: 1 },
      },
    },
  ],
  [TestRunEndEventRequestSchema, "0a027231100222020803", {
    runId: "r1",
    finalStatus: "FAILED",
    duration: "3s",
  }],
];

Deno.test("messages decode and encode the contract's byte vectors exactly", () => {
  for (const [schema, hex, json] of vectors) {
    const message = fromBinary(schema, bytesOf(hex));
    assertEquals(toJson(schema, message), json as ReturnType<typeof toJson>);
    assertEquals(hexOf(toBinary(schema, message)), hex);
  }
});

Deno.test("messages pass over fields that they do not know", () => {
  const message = fromBinary(HeartbeatEventRequestSchema, bytesOf("0a026f6bf03f01"));
  assertEquals(message.sourceId, "ok");
  assertEquals(
    hexOf(toBinary(HeartbeatEventRequestSchema, create(HeartbeatEventRequestSchema, { sourceId: "ok" }))),
    "0a026f6b",
  );
});

Deno.test("the service has the contract's 13 unary methods, and one for batches", () => {
  assertEquals(TestEventCollector.typeName, "testsystem.v1.observer.TestEventCollector");
  assertEquals(
    TestEventCollector.methods.map(({ name, methodKind }) => [name, methodKind]),
    [
      ...[
        "ReportRunStart",
        "ReportRunEnd",
        "ReportSuiteBegin",
        "ReportSuiteEnd",
        "ReportTestBegin",
        "ReportTestEnd",
      ],
      ...["ReportStepBegin", "ReportStepEnd", "ReportTestFailure", "ReportTestError", "ReportStdError"],
      ...["ReportStdOutput", "Heartbeat", "ReportEvents"],
    ].map((name) => [name, "unary"]),
  );
});

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
