/**
 * Routes of dialect `backend`.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { AppCredentials, Authority } from "../authority.ts";
import type { BodyShape, Dialect, Inbound, Ingest, IngestRoute, ReadRoute, Services } from "../dialect.ts";
import type { Config } from "../../config/schema.ts";
import { BackendIngest, type RowTrade } from "./apply.ts";
import { writeBrowserEvent } from "./browser_event.ts";
import { writeEntry } from "./entries.ts";
import type { EntryScene } from "./entry_source.ts";
import { errorBody } from "./error_body.ts";
import { answerRequest } from "./read_request.ts";
import { answerRequests } from "./read_requests.ts";
import { answerTimeline } from "./read_timeline.ts";
import { answerTraces } from "./read_traces.ts";
import { requestQueryOf, timesOf } from "./request_query.ts";
import { beginVisit, finishVisit, VisitIngest, type VisitScene, type VisitTold } from "./visit.ts";
import type { Members } from "./schema.ts";

const sidForm = /^[A-Za-z0-9._:-]{1,128}$/;
const maxAppCharacters = 256;

/** Who an inbound request is from. */
type Admit = (inbound: Inbound) => Promise<string>;

/** The dialect. */
export function createBackendDialect(authority: Authority): Dialect {
  const asApp: Admit = ({ headers }) => checkedApp(authority.admitApp(credentialsOf(headers)));
  const asPage: Admit = ({ headers }) => checkedApp(authority.admitBrowser(credentialsOf(headers)));
  return {
    name: "backend",
    ingest: [
      rowsRoute("/v1/sessions/:sid/backend", asApp, { rowsKey: "entries", write: writeEntry }),
      rowsRoute("/v1/sessions/:sid/events", asPage, { rowsKey: "events", write: writeBrowserEvent }),
      visitRoute("/v1/sessions", asPage, (_inbound, scene) => beginVisit(scene)),
      visitRoute(
        "/v1/sessions/:sid/finish",
        asPage,
        ({ url }, { sid }) => finishVisit(`${url.origin}/v1/sessions/${sid}/timeline`),
      ),
    ],
    read: [...readRoutes(asApp), {
      method: "GET",
      path: "/v1/sdk/bootstrap",
      answer: ({ url }) => answerBootstrap(url.searchParams.get("appId") ?? undefined, authority),
    }],
    errorBody,
  };
}

/** A route that takes rows of one kind. */
function rowsRoute(path: string, admit: Admit, trade: RowTrade): IngestRoute {
  return {
    method: "POST",
    path,
    shape: ({ backend }) => ({
      rowsKey: trade.rowsKey,
      single: false,
      ndjson: true,
      maxBytes: backend.max_body_bytes,
      maxRows: backend.max_entries,
      // Old clients send a whole trace as one entry.
      maxRowBytes: backend.max_body_bytes,
    }),
    open: async (inbound, services) => {
      const { config, ids } = services;
      const scene = await sceneOf(inbound, admit, (app, sid): EntryScene => ({
        ...{ app, sid, arrivedAt: inbound.arrivedAt, ids },
        ...{ maxDepth: config.limits.max_depth, maxItems: config.backend.max_entries },
      }));
      return new BackendIngest(scene, trade);
    },
  };
}

/** A route that begins or ends a session; its body is one object, or nothing. */
function visitRoute(
  path: string,
  admit: Admit,
  tell: (inbound: Inbound, scene: VisitScene) => (body: Members) => VisitTold,
): IngestRoute {
  return {
    method: "POST",
    path,
    shape: ({ limits }: Config): BodyShape => ({
      ...{ rowsKey: [], single: true, ndjson: false, maxRows: 1 },
      ...{ maxBytes: limits.max_envelope_bytes, maxRowBytes: limits.max_envelope_bytes },
    }),
    open: async (inbound, { ids }): Promise<Ingest> => {
      const { arrivedAt } = inbound;
      const scene = await sceneOf(inbound, admit, (app, sid): VisitScene => ({
        ...{ app, sid: sid || `S_${ids.next()}`, id: ids.next(), arrivedAt },
      }));
      if (scene instanceof WeirError) return new VisitIngest(scene, () => ({ columns: {}, answer: {} }));
      return new VisitIngest(scene, tell(inbound, scene));
    },
  };
}

/** What a request is about; or why it is refused, which is told once its body was found well-formed. */
async function sceneOf<T>(
  inbound: Inbound,
  admit: Admit,
  make: (app: string, sid: string) => T,
): Promise<T | WeirError> {
  const sid = inbound.params.sid === undefined ? "" : sidOf(inbound);
  try {
    return make(await admit(inbound), sid);
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    return error;
  }
}

function readRoutes(admit: Admit): ReadRoute[] {
  const route = (
    path: string,
    answer: (at: { app: string; inbound: Inbound }, services: Services) => Response | Promise<Response>,
  ): ReadRoute => ({
    method: "GET",
    path,
    answer: async (inbound, services) => answer({ app: await admit(inbound), inbound }, services),
  });
  return [
    route(
      "/v1/sessions/:sid/traces",
      ({ app, inbound }, { traces }) => answerTraces({ app, sid: sidOf(inbound) }, traces),
    ),
    route("/v1/sessions/:sid/requests", ({ app, inbound }, { requestList }) => {
      const scope = { app, sid: sidOf(inbound), order: "asc" } as const;
      return answerRequests(requestQueryOf(inbound.url.searchParams, scope), requestList);
    }),
    route("/v1/sessions/:sid/requests/:rid", ({ app, inbound }, services) => {
      const format = inbound.url.searchParams.get("format") ?? undefined;
      return answerRequest({ app, sid: sidOf(inbound), rid: inbound.params.rid, format }, services);
    }),
    route(
      "/v1/sessions/:sid/timeline",
      ({ app, inbound }, services) =>
        answerTimeline({ app, sid: sidOf(inbound), ...timesOf(inbound.url.searchParams) }, services),
    ),
    route(
      "/v1/requests",
      ({ app, inbound }, { requestList }) =>
        answerRequests(requestQueryOf(inbound.url.searchParams, { app, order: "desc" }), requestList),
    ),
  ];
}

/** What pages may know of an app: nothing, unless the configuration gives it a token. */
function answerBootstrap(appId: string | undefined, authority: Authority): Response {
  const grant = authority.browserGrant(appId);
  if (grant === undefined) return Response.json({ enabled: false });
  const capture = Object.fromEntries(
    ["rrweb", "action", "net"].map((kind) => [kind, grant.capture.includes(kind)]),
  );
  return Response.json({ enabled: true, sdkToken: grant.token, capture });
}

/**
 * The session that the path names.
 * @throws WeirError `invalid_path`
 */
function sidOf({ params }: Inbound): string {
  if (sidForm.test(params.sid)) return params.sid;
  throw new WeirError("invalid_path", "Session id must be 1 to 128 letters, digits, dots, colons, - or _");
}

function credentialsOf(headers: Headers): AppCredentials {
  return {
    id: headers.get("x-app-id") ?? undefined,
    secret: headers.get("x-app-secret") ?? undefined,
    token: headers.get("x-sdk-token") ?? undefined,
  };
}

/** @throws WeirError `invalid_header` where the app's name is too long */
async function checkedApp(admitted: Promise<string>): Promise<string> {
  const app = await admitted;
  if (app.length <= maxAppCharacters) return app;
  throw new WeirError("invalid_header", `X-App-Id must have at most ${maxAppCharacters} characters`);
}
