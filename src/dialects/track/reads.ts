/**
 * What is stored of a project: profiles, groups, sessions and events, flushed or not.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { EventQuery } from "../../flush/event_reader.ts";
import type { FoundLines } from "../../flush/found_lines.ts";
import { type EntityKind, entityText } from "../../index/entity_row.ts";
import { sessionRow } from "../../sessions/session_rows.ts";
import type { Authority } from "../authority.ts";
import type { Inbound, ReadRoute, Services } from "../dialect.ts";
import { credentialsOf } from "./credentials.ts";

const defaultLimit = 100;
const maxLimit = 10_000;
const jsonType = "application/json; charset=utf-8";
const ndjsonType = "application/x-ndjson";
/** So many bytes are gathered before they are sent. */
const pieceBytes = 65_536;

/** The routes. */
export function readRoutes(authority: Authority): ReadRoute[] {
  const route = (
    path: string,
    answer: (at: { project: string; inbound: Inbound }, services: Services) => Response | Promise<Response>,
  ): ReadRoute => ({
    method: "GET",
    path: `/v1/projects/:project/${path}`,
    answer: async (inbound, services) => {
      const { project } = inbound.params;
      await authority.admitReader(credentialsOf(inbound.headers), project);
      return await answer({ project, inbound }, services);
    },
  });
  return [
    route("profiles/:id", (at, services) => answerEntity("profile", at, services)),
    route("groups/:id", (at, services) => answerEntity("group", at, services)),
    route("sessions/:id", answerSession),
    route("events", answerEvents),
  ];
}

interface Asked {
  readonly project: string;
  readonly inbound: Inbound;
}

function answerEntity(kind: EntityKind, { project, inbound }: Asked, { indexes }: Services): Response {
  const row = indexes.entity(kind, project, inbound.params.id);
  if (row === undefined) throw new WeirError("not_found", `There is no such ${kind}`);
  return json(entityText(row));
}

/** An open session is answered as it would be written now. */
function answerSession({ project, inbound }: Asked, { sessions }: Services): Response {
  const session = sessions.find(inbound.params.id);
  if (session === undefined || session.project !== project || !isFinite(session.fold.firstT)) {
    throw new WeirError("not_found", "There is no such session");
  }
  const version = session.version + (session.isOpen ? 1 : 0);
  const row = sessionRow({ session, version, fence: 0 }, session.fold);
  return json(`${row.slice(0, -1)},"open":${session.isOpen}}`);
}

async function answerEvents({ project, inbound }: Asked, { events }: Services): Promise<Response> {
  const isNdjson = acceptsNdjson(inbound.headers.get("accept"));
  const lines = await events.newest(readQuery(project, inbound.url.searchParams));
  return new Response(isNdjson ? streamOf(lines, ndjsonForm) : streamOf(lines, jsonForm), {
    headers: { "content-type": isNdjson ? ndjsonType : jsonType },
  });
}

/** NDJSON, where it is named and JSON is not named before it. */
function acceptsNdjson(accept: string | null): boolean {
  const types = (accept ?? "").toLowerCase().split(",").map((type) => type.split(";")[0].trim());
  const at = types.findIndex((type) => type === ndjsonType || type === "application/ndjson");
  const jsonAt = types.indexOf("application/json");
  return at >= 0 && (jsonAt < 0 || at < jsonAt);
}

function readQuery(project: string, sent: URLSearchParams): EventQuery {
  const limit = sent.get("limit") ?? String(defaultLimit);
  if (!/^\d{1,5}$/.test(limit) || Number(limit) < 1 || Number(limit) > maxLimit) {
    throw new WeirError("validation", `limit must be a number from 1 to ${maxLimit}`);
  }
  return {
    project,
    session: sent.get("session") ?? undefined,
    device: sent.get("device") ?? undefined,
    from: readTime("from", sent) ?? -Infinity,
    to: readTime("to", sent) ?? Infinity,
    limit: Number(limit),
  };
}

function readTime(name: string, sent: URLSearchParams): number | undefined {
  const text = sent.get(name);
  if (text === null) return undefined;
  const time = /^-?\d{1,16}$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(time)) {
    throw new WeirError("validation", `${name} must be a time: ISO 8601, or ms since the epoch`);
  }
  return time;
}

/** What stands around and between lines. */
interface Form {
  readonly open: string;
  readonly between: string;
  readonly close: string;
}

const jsonForm: Form = { open: '{"events":[', between: ",", close: "]}" };
const ndjsonForm: Form = { open: "", between: "\n", close: "" };

/** The lines as a body that is read from the disk as fast as it is sent. */
function streamOf(lines: FoundLines, form: Form): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const between = encoder.encode(form.between);
  let isFirst = true;
  return new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      const pieces: Uint8Array[] = isFirst ? [encoder.encode(form.open)] : [];
      let line: Uint8Array | undefined;
      try {
        for (let bytes = 0; bytes < pieceBytes && (line = await lines.read()) !== undefined;) {
          if (!isFirst) pieces.push(between);
          isFirst = false;
          pieces.push(line);
          bytes += line.length;
        }
      } catch (error) {
        lines[Symbol.dispose]();
        throw error;
      }
      if (line === undefined) {
        pieces.push(encoder.encode(form === ndjsonForm && !isFirst ? "\n" : form.close));
        lines[Symbol.dispose]();
      }
      const body = joined(pieces);
      if (body.length > 0) controller.enqueue(body);
      if (line === undefined) controller.close();
    },
    cancel(): void {
      lines[Symbol.dispose]();
    },
  });
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const body = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    body.set(piece, at);
    at += piece.length;
  }
  return body;
}

function json(body: string): Response {
  return new Response(body, { headers: { "content-type": jsonType } });
}
