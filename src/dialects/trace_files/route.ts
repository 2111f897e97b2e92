/**
 * Routes of dialect `trace_files`.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { Config } from "../../config/schema.ts";
import type { Authority } from "../authority.ts";
import type { BodyShape, Dialect, Inbound, Services } from "../dialect.ts";
import { defaultDirectory } from "./directories.ts";
import { errorBody } from "./error_body.ts";
import { listFiles } from "./list_files.ts";
import { TraceFileStore } from "./store.ts";
import { listKeys, WriteBatch } from "./write_batch.ts";
import { WriteOne } from "./write_one.ts";

/** The dialect. */
export function createTraceFilesDialect(authority: Authority): Dialect {
  let store: TraceFileStore | undefined;
  /** Whoever is admitted gets the folder. */
  const admit = async ({ headers }: Inbound): Promise<{ app: string; store: TraceFileStore }> => {
    const app = await authority.admitApp({
      id: headers.get("x-app-id") ?? undefined,
      secret: headers.get("x-app-secret") ?? undefined,
    });
    if (store === undefined) throw new WeirError("overloaded", "The daemon is starting");
    return { app, store };
  };
  return {
    name: "trace_files",
    ingest: [],
    direct: [{
      method: "POST",
      path: "/api/traces/write",
      shape: (config) => shapeOf(config, { rowsKey: [], single: true }),
      begin: async (inbound, services) => new WriteOne({ inbound, services, ...await admit(inbound) }),
    }, {
      method: "POST",
      path: "/api/traces/write-batch",
      shape: (config) => shapeOf(config, { rowsKey: listKeys, single: false }),
      begin: async (inbound, services) => new WriteBatch({ inbound, services, ...await admit(inbound) }),
    }],
    read: [{
      method: "GET",
      path: "/api/traces/list",
      async answer(inbound): Promise<Response> {
        const directory = inbound.url.searchParams.get("directory") || defaultDirectory;
        return Response.json(await listFiles(directory, (await admit(inbound)).store));
      },
    }],
    errorBody,
    async start(services: Services): Promise<AsyncDisposable> {
      return store = await TraceFileStore.open(services);
    },
  };
}

/** A file's text may be larger with its escapes than without, so that a row may be as large as the body. */
function shapeOf({ trace_files: settings }: Config, of: Pick<BodyShape, "rowsKey" | "single">): BodyShape {
  const { max_body_bytes: maxBytes, max_batch_size: maxRows } = settings;
  return { ...of, ndjson: false, maxBytes, maxRows, maxRowBytes: maxBytes };
}
