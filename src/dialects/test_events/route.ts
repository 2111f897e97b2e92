/**
 * Routes of dialect `test_events`.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { Authority } from "../authority.ts";
import type { Dialect, Inbound, Ingest } from "../dialect.ts";
import { TestEventIngest } from "./apply.ts";
import { collectorRoutes } from "./collector.ts";
import { RunFeeds } from "./feeds.ts";
import { answerEvents, answerRun, answerRuns, wantsFeed } from "./read_runs.ts";

const maxProjectCharacters = 256;

/** The dialect. */
export function createTestEventsDialect(authority: Authority): Dialect {
  const feeds = new RunFeeds();
  const projectOf = (headers: Headers): Promise<string> => admitProject(headers, authority);
  const nameOf = async ({ headers, params }: Inbound): Promise<{ project: string; runId: string }> => ({
    project: await projectOf(headers),
    runId: params.id,
  });
  return {
    name: "test_events",
    ingest: [{
      method: "POST",
      path: "/v1/test-events/batch",
      shape: ({ test_events: limits }) => ({
        rowsKey: "events",
        single: false,
        ndjson: true,
        maxBytes: limits.max_batch_bytes,
        maxRows: limits.max_batch_rows,
        // One event may carry an attachment.
        maxRowBytes: limits.max_batch_bytes,
      }),
      open: async ({ headers, arrivedAt }): Promise<Ingest> => {
        try {
          return new TestEventIngest({ project: await projectOf(headers), arrivedAt });
        } catch (error) {
          if (!(error instanceof WeirError)) throw error;
          return new TestEventIngest(error);
        }
      },
    }],
    calls: collectorRoutes(projectOf),
    read: [
      {
        method: "GET",
        path: "/v1/test-runs",
        answer: async (inbound, { runs }) => answerRuns(inbound, await projectOf(inbound.headers), runs),
      },
      {
        method: "GET",
        path: "/v1/test-runs/:id",
        answer: async (inbound, { runs }) => answerRun(await nameOf(inbound), runs),
      },
      {
        method: "GET",
        path: "/v1/test-runs/:id/events",
        answer: async (inbound, services) =>
          wantsFeed(inbound)
            ? feeds.open(await nameOf(inbound), inbound, services)
            : answerEvents(await nameOf(inbound), services.runs),
      },
      {
        method: "GET",
        path: "/v1/test-runs/:id/feed",
        answer: async (inbound, services) => feeds.open(await nameOf(inbound), inbound, services),
      },
    ],
    start: () => Promise.resolve(feeds),
  };
}

/**
 * The project that sends or asks: the app of the same credentials as in dialect `backend`.
 * @throws WeirError `forbidden`, or `invalid_header` where its name is too long
 */
async function admitProject(headers: Headers, authority: Authority): Promise<string> {
  const project = await authority.admitApp({
    id: headers.get("x-app-id") ?? undefined,
    secret: headers.get("x-app-secret") ?? undefined,
  });
  if (project.length <= maxProjectCharacters) return project;
  throw new WeirError("invalid_header", `X-App-Id must have at most ${maxProjectCharacters} characters`);
}
