/**
 * Routes of dialect `backend`.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { Authority } from "../authority.ts";
import type { Dialect, Inbound, Ingest, Services } from "../dialect.ts";
import { BackendIngest } from "./apply.ts";
import { errorBody } from "./error_body.ts";
import { answerTraces } from "./read_traces.ts";

const sidForm = /^[A-Za-z0-9._:-]{1,128}$/;
const maxAppCharacters = 256;

/** The dialect. */
export function createBackendDialect(authority: Authority): Dialect {
  return {
    name: "backend",
    ingest: [{
      method: "POST",
      path: "/v1/sessions/:sid/backend",
      shape: ({ backend }) => ({
        rowsKey: "entries",
        single: false,
        ndjson: true,
        maxBytes: backend.max_body_bytes,
        maxRows: backend.max_entries,
        // Old clients send a whole trace as one entry.
        maxRowBytes: backend.max_body_bytes,
      }),
      open: (inbound, services) => openEntries(inbound, services, authority),
    }],
    read: [{
      method: "GET",
      path: "/v1/sessions/:sid/traces",
      answer: async (inbound, { traces }) =>
        answerTraces({ app: await appOf(inbound, authority), sid: sidOf(inbound) }, traces),
    }],
    errorBody,
  };
}

async function openEntries(inbound: Inbound, services: Services, authority: Authority): Promise<Ingest> {
  const sid = sidOf(inbound);
  const { config, ids } = services;
  try {
    return new BackendIngest({
      app: await appOf(inbound, authority),
      sid,
      arrivedAt: inbound.arrivedAt,
      ids,
      maxDepth: config.limits.max_depth,
      maxItems: config.backend.max_entries,
    });
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    return new BackendIngest(error);
  }
}

/**
 * The session that the path names.
 * @throws WeirError `invalid_path`
 */
function sidOf({ params }: Inbound): string {
  if (sidForm.test(params.sid)) return params.sid;
  throw new WeirError("invalid_path", "Session id must be 1 to 128 letters, digits, dots, colons, - or _");
}

/**
 * The app that sends or asks.
 * @throws WeirError `forbidden`, or `invalid_header` where its name is too long
 */
async function appOf({ headers }: Inbound, authority: Authority): Promise<string> {
  const app = await authority.admitApp({
    id: headers.get("x-app-id") ?? undefined,
    secret: headers.get("x-app-secret") ?? undefined,
  });
  if (app.length <= maxAppCharacters) return app;
  throw new WeirError("invalid_header", `X-App-Id must have at most ${maxAppCharacters} characters`);
}
