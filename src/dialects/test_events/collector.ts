/**
 * The service TestEventCollector over Connect and gRPC-Web: 13 unary methods and one for batches.
 * @module
 */

import { type DescMessage, type Message, toJson } from "@bufbuild/protobuf";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextKey,
  createContextValues,
} from "@connectrpc/connect";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { universalServerResponseToFetch } from "@connectrpc/connect/protocol";
import { WeirError } from "../../base/errors.ts";
import { Outcomes } from "../../base/outcome.ts";
import { Unit } from "../../base/record.ts";
import type { TestEventType } from "../../base/test_runs.ts";
import type { Call, CallRoute, Services } from "../dialect.ts";
import { gzipCompression } from "./compression.ts";
import { connectErrorOf } from "./errors.ts";
import { eventKinds } from "./messages_of.ts";
import { type TestEvent, TestEventCollector } from "./messages/testsystem/v1/observer_pb.ts";
import { nameProblem } from "./schema.ts";
import { type EventHead, writeEvent } from "./write_event.ts";

/** What a method needs besides its message. */
interface CallScene {
  readonly call: Call;
  readonly services: Services;
  /** Resolves to the project that sends. @throws WeirError */
  admit(): Promise<string>;
}

/** Who a call is from. @throws WeirError */
export type AdmitCall = (headers: Headers) => Promise<string>;

const sceneKey = createContextKey<CallScene | undefined>(undefined);

/** The methods with their type of event. */
const unaryMethods = {
  reportRunStart: "run.start",
  reportRunEnd: "run.end",
  reportSuiteBegin: "suite.begin",
  reportSuiteEnd: "suite.end",
  reportTestBegin: "test.begin",
  reportTestEnd: "test.end",
  reportStepBegin: "step.begin",
  reportStepEnd: "step.end",
  reportTestFailure: "test.failure",
  reportTestError: "test.error",
  reportStdError: "stderr",
  reportStdOutput: "stdout",
  heartbeat: "heartbeat",
} as const satisfies Record<string, TestEventType>;

/** Types of events in batches, by the member that holds the message. */
const batchMembers: Record<string, TestEventType> = {
  runStart: "run.start",
  runEnd: "run.end",
  suiteBegin: "suite.begin",
  suiteEnd: "suite.end",
  testBegin: "test.begin",
  testEnd: "test.end",
  stepBegin: "step.begin",
  stepEnd: "step.end",
  testFailure: "test.failure",
  testError: "test.error",
  stdError: "stderr",
  stdOutput: "stdout",
  heartbeat: "heartbeat",
};

/** One route for each method. */
export function collectorRoutes(admit: AdmitCall): CallRoute[] {
  // The limit may change while the daemon runs, and the library takes it when it makes its handlers.
  let router: ConnectRouter | undefined;
  let madeFor = -1;
  const handlers = (maxBytes: number): ConnectRouter["handlers"] => {
    if (router === undefined || madeFor !== maxBytes) router = createRouter(madeFor = maxBytes);
    return router.handlers;
  };
  const known = createRouter(1).handlers.map(({ requestPath }): CallRoute => ({
    method: "POST",
    path: requestPath,
    maxBytes: ({ test_events }) => test_events.max_message_bytes,
    async call(call, services): Promise<Response> {
      const maxBytes = services.config.test_events.max_message_bytes;
      const handler = handlers(maxBytes).find((each) => each.requestPath === requestPath)!;
      const { method, headers, url } = call.inbound;
      const contextValues = createContextValues();
      contextValues.set(sceneKey, { call, services, admit: () => admit(headers) });
      const response = await handler({
        ...{ httpVersion: "1.1", method, url: url.href, header: headers, contextValues },
        body: inConnectWords(call.body),
        signal: call.signal,
      });
      return universalServerResponseToFetch(response);
    },
  }));
  return [...known, unknownMethod];
}

/** What is no method is told in Connect's words; clients would take the daemon's own 404 for another error. */
const unknownMethod: CallRoute = {
  method: "POST",
  path: `/${TestEventCollector.typeName}/:method`,
  maxBytes: ({ test_events }) => test_events.max_message_bytes,
  call: () => {
    const message = `${TestEventCollector.typeName} has no such method`;
    return Promise.resolve(Response.json({ code: "unimplemented", message }, { status: 404 }));
  },
};

function createRouter(maxBytes: number): ConnectRouter {
  const router = createConnectRouter({
    grpc: false,
    readMaxBytes: maxBytes,
    acceptCompression: [gzipCompression],
    // Replies are small.
    compressMinBytes: 1 << 20,
    maxTimeoutMs: 600_000,
  });
  const unary = Object.entries(unaryMethods).map(([name, type]) => [
    name,
    (message: Message, context: HandlerContext) => takeOne(type, message, sceneOf(context)),
  ]);
  return router.service(TestEventCollector, {
    ...Object.fromEntries(unary) as Partial<ServiceImpl<typeof TestEventCollector>>,
    reportEvents: ({ events }, context) => takeBatch(events, sceneOf(context)),
  });
}

function sceneOf({ values }: HandlerContext): CallScene {
  return values.get(sceneKey)!;
}

/** Stores one event; true means safe. */
async function takeOne(
  type: TestEventType,
  message: Message,
  scene: CallScene,
): Promise<{ success: boolean; message: string }> {
  try {
    const { call: { inbound, store }, services: { ids } } = scene;
    const project = await scene.admit();
    const { schema, facts } = eventKinds[type];
    const { runId, executionId, problem } = facts(message as never);
    if (problem !== undefined) throw new ConnectError(problem, Code.InvalidArgument);
    // A heartbeat tells that its source lives; it belongs to no run.
    if (type === "heartbeat") return { success: true, message: "ok" };
    checkRunId(runId);
    const id = inbound.headers.get("idempotency-key") || ids.next();
    const head: EventHead = { id, seq: undefined, type, runId, executionId, t: inbound.arrivedAt };
    const unit = new Unit();
    const outcomes = new Outcomes();
    writeEvent(unit, project, head, jsonOf(schema, message));
    outcomes.accepted++;
    await store(unit, outcomes);
    return { success: true, message: "ok" };
  } catch (error) {
    throw connectErrorOf(error);
  }
}

async function takeBatch(events: readonly TestEvent[], scene: CallScene): Promise<{
  accepted: number;
  duplicates: number;
  rejected: { index: number; reason: string; error: string }[];
}> {
  try {
    const { call: { store }, services: { config } } = scene;
    const project = await scene.admit();
    const { max_batch_rows: maxRows } = config.test_events;
    if (events.length === 0 || events.length > maxRows) {
      throw new ConnectError(`events must hold 1 to ${maxRows} events`, Code.InvalidArgument);
    }
    const unit = new Unit();
    const outcomes = new Outcomes();
    events.forEach((event, index) => {
      const problem = addEvent(unit, project, event, scene);
      if (problem === undefined) outcomes.accepted++;
      else outcomes.reject(index, "validation", problem);
    });
    await store(unit, outcomes);
    const { accepted, duplicates, rejected } = outcomes;
    return { accepted, duplicates, rejected };
  } catch (error) {
    throw connectErrorOf(error);
  }
}

/** Adds an event of a batch to the unit, or says why not. */
function addEvent(unit: Unit, project: string, sent: TestEvent, scene: CallScene): string | undefined {
  const { case: member, value: message } = sent.event;
  if (member === undefined || message === undefined) return "event must hold a message that is known";
  const type = batchMembers[member];
  const { schema, facts } = eventKinds[type];
  const { runId: ownRunId, executionId, problem } = facts(message as never);
  const runId = sent.runId || ownRunId;
  const idProblem = nameProblem(sent.id);
  if (idProblem !== undefined) return `id ${idProblem}`;
  const runProblem = nameProblem(runId);
  if (runProblem !== undefined) return `run_id ${runProblem}`;
  if (ownRunId !== "" && ownRunId !== runId) return "the message names another run than run_id";
  const seq = Number(sent.seq);
  if (!Number.isSafeInteger(seq) || seq < 0) return "seq must be from 0 to 2^53 - 1";
  if (problem !== undefined) return problem;
  const t = timeOf(sent.time) ?? scene.call.inbound.arrivedAt;
  const head: EventHead = {
    ...{ id: sent.id, seq: seq === 0 ? undefined : seq, type, runId, t },
    executionId: sent.executionId || executionId,
  };
  writeEvent(unit, project, head, jsonOf(schema, message));
  return undefined;
}

function timeOf(time: Timestamp | undefined): number | undefined {
  const ms = time === undefined ? NaN : timestampMs(time);
  return ms >= 0 && ms <= 253_402_300_799_999 ? ms : undefined;
}

function jsonOf(schema: DescMessage, message: Message): string {
  // Texts of protobuf are UTF-8, so that nothing here holds half a surrogate pair.
  return JSON.stringify(toJson(schema, message));
}

function checkRunId(runId: string): void {
  const problem = nameProblem(runId);
  if (problem !== undefined) throw new ConnectError(`run_id ${problem}`, Code.InvalidArgument);
}

/** The body; what refuses it is told as Connect tells it. */
async function* inConnectWords(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    // The library keeps pieces until the message is whole, and ours are overwritten.
    for await (const chunk of body) yield chunk.slice();
  } catch (error) {
    throw error instanceof WeirError ? connectErrorOf(error) : error;
  }
}
