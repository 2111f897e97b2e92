/**
 * One event of the browser SDK (contract `backend`, 1): `action` and `rrweb` are rows, `net` is metadata of the request
 * that it names. The contract does not give their members, so the usual names of each are taken.
 * @module
 */

import type { Unit } from "../../base/record.ts";
import { writeRequest } from "./entries.ts";
import { type EntryScene, type SentEntry, sentTime } from "./entry_source.ts";
import { actionIdOf, describesRequest } from "./metadata.ts";
import { EntryRefusal } from "./refusal.ts";
import { requestIdOf } from "./request_id.ts";
import { firstGiven } from "./batch_index.ts";
import { type Entry, isObject, type Members } from "./schema.ts";
import { writeSessionRow } from "./session_row.ts";
import type { Span } from "./spans.ts";

const timeNames = ["t", "ts", "tStart", "timestamp"] as const;
const actionNames = ["actionId", "aid"] as const;
const durationNames = ["durMs", "duration", "dur"] as const;
/** Members that may hold what an event tells, instead of the event itself. */
const wrappers = ["data", "payload"] as const;

/** An event, or the member that holds what it tells. */
interface Told {
  readonly members: Members;
  readonly span: Span;
}

/**
 * Adds the record of an event to the unit.
 * @throws EntryRefusal
 */
export function writeBrowserEvent(sent: SentEntry, scene: EntryScene, unit: Unit): void {
  const { value: event } = sent;
  if (!isObject(event)) throw new EntryRefusal("validation", "entry Invalid input: expected object");
  const source = { ...sent, ...scene };
  const time = firstGiven(event, timeNames) ?? firstGiven(toldOf(event, sent.span, []).members, timeNames);
  const sentT = sentTime(time);
  switch (event.type) {
    case "net":
      return writeNet(toldOf(event, sent.span, ["rid", "requestRid", "requestId"]), { source, sentT }, unit);
    case "action":
      return writeAction(toldOf(event, sent.span, [...actionNames, "id"]), { source, sentT }, unit);
    case "rrweb":
      return writeSessionRow({
        ...{ source, kind: "recording", rid: undefined, actionId: undefined, sentT, sent: sent.span },
        ...{ columns: {}, copied: [], whole: "data" },
      }, unit);
    default:
      throw new EntryRefusal("validation", "entry/type must be action, net or rrweb");
  }
}

interface EventScene {
  readonly source: SentEntry & EntryScene;
  readonly sentT: number | undefined;
}

/** The event itself where it has one of the names, or none of its wrappers is an object; else the wrapper. */
function toldOf(event: Members, span: Span, names: readonly string[]): Told {
  const isFlat = firstGiven(event, names) !== undefined;
  const wrapper = isFlat ? undefined : wrappers.find((name) => isObject(event[name]));
  if (wrapper === undefined) return { members: event, span };
  return { members: event[wrapper] as Members, span: span.member(wrapper)! };
}

function writeNet({ members, span }: Told, { source, sentT }: EventScene, unit: Unit): void {
  const actionId = firstGiven(members, actionNames) ?? firstGiven(source.value as Members, actionNames);
  const durMs = firstGiven(members, durationNames);
  const entry: Entry = {
    actionId: isScalar(actionId) ? actionId : undefined,
    request: durMs === undefined ? members : { ...members, durMs },
  };
  const rid = requestIdOf(entry);
  if (rid === undefined) {
    throw new EntryRefusal("no_request_id", "Event must name its request, such as by rid");
  }
  if (!describesRequest(entry)) throw new EntryRefusal("validation", "Event says nothing of its request");
  const asRequest = { member: (name: string): Span | undefined => name === "request" ? span : undefined };
  writeRequest({ ...source, span: asRequest, entry, sentT }, { rid, index: -1 }, unit);
}

function writeAction({ members, span }: Told, { source, sentT }: EventScene, unit: Unit): void {
  const actionId = firstGiven(members, [...actionNames, "id"]);
  const id = isScalar(actionId) ? actionIdOf({ actionId }) : null;
  if (!id) throw new EntryRefusal("validation", "entry/actionId must name the action");
  const rid = requestIdOf({ ...members, request: null });
  writeSessionRow({
    ...{ source, kind: "action", rid, actionId: id, sentT, sent: span },
    columns: {
      label: typeof members.label === "string" ? members.label : null,
      t_start: sentTime(members.tStart) ?? sentT ?? null,
      t_end: sentTime(members.tEnd) ?? null,
    },
    copied: [],
    whole: "data",
  }, unit);
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}
