/**
 * An event as a record: a batch of its run that holds one event.
 * @module
 */

import { assumedIndexBytes, type Unit } from "../../base/record.ts";
import { eventHash, runOwner, runSession, type TestEventType } from "../../base/test_runs.ts";

/** What stands before the message. */
export interface EventHead {
  readonly id: string;
  /** The sender's own counter. */
  readonly seq: number | undefined;
  readonly type: TestEventType;
  readonly runId: string;
  /** "" where none is named. */
  readonly executionId: string;
  /** Ms since the epoch. */
  readonly t: number;
}

/** The message: JSON text, or bytes of it to be copied. */
export type EventData = string | { readonly bytes: Uint8Array; readonly start: number; readonly end: number };

/** Adds an event to the unit. @param data Without line breaks and without halves of surrogate pairs. */
export function writeEvent(unit: Unit, project: string, head: EventHead, data: EventData): void {
  const { writer } = unit;
  const start = writer.length;
  const hash = eventHash(head.id);
  const rid = JSON.stringify(head.runId);
  writer.text(
    `{"kind":"test_event","app":${
      JSON.stringify(project)
    },"rid":${rid},"t":${head.t},"hash":${hash},"events":`,
  );
  const eventsOffset = writer.length - start;
  writer.ascii(`[{"n":`);
  const indexOffset = writer.length - start;
  writer.ascii(" ".repeat(assumedIndexBytes));
  writer.text(
    `,"id":${JSON.stringify(head.id)}` + (head.seq === undefined ? "" : `,"seq":${head.seq}`) +
      `,"type":"${head.type}","run_id":${rid}` +
      (head.executionId === "" ? "" : `,"execution_id":${JSON.stringify(head.executionId)}`) +
      `,"time":"${new Date(head.t).toISOString()}","data":`,
  );
  if (typeof data === "string") writer.text(data);
  else writer.raw(data.bytes, data.start, data.end);
  writer.ascii("}]");
  const eventsLength = writer.length - start - eventsOffset;
  writer.ascii("}");
  unit.close({
    family: "traces",
    kind: "batch",
    app: runOwner(project),
    sid: runSession,
    rid: head.runId,
    index: -1,
    indexOffset,
    t: head.t,
    total: -1,
    hash,
    assumed: true,
    eventsOffset,
    eventsLength,
  });
}
