/**
 * A server for trace files that keeps what it was given in memory, and misbehaves as a test tells it.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { TraceFile, TraceResult } from "../../src/client/trace_writer.ts";
import { type Received, type ScriptedServer, scriptedServer } from "./scripted_server.ts";

/** What it has: content by `directory/name`. */
export type Truth = Map<string, string>;

interface Sent {
  readonly traceData: unknown;
  readonly fileName: string;
  readonly outputDirectory?: string;
}

/** What a misbehaving server may do with the request it was given. */
export interface Ways {
  readonly truth: Truth;
  readonly isBatch: boolean;
  /** Position of the request among all. */
  readonly index: number;
  /** Position among those to the same route. */
  readonly turn: number;
  readonly request: Received;
  /** Writes what the request asks for, all of it or what `takes` lets through, and gives the honest reply. */
  write(takes?: (fileName: string) => boolean): Response;
}

/** Such a server. */
export type TraceServer = ScriptedServer & { readonly truth: Truth };

/** Starts one; without a script it is honest. */
export function traceServer(script: (ways: Ways) => Response | Promise<Response> = honest): TraceServer {
  const truth: Truth = new Map();
  const turns = { batch: 0, single: 0 };
  const server = scriptedServer((request, index) => {
    const isBatch = request.path === "/api/traces/write-batch";
    assert(isBatch || request.path === "/api/traces/write", request.path);
    const write = (takes = (_: string): boolean => true): Response => answer(request, truth, takes);
    const turn = turns[isBatch ? "batch" : "single"]++;
    return script({ truth, isBatch, index, turn, request, write });
  });
  return Object.assign(server, { truth });
}

/** The way of a server that works. */
export function honest({ write }: Ways): Response {
  return write();
}

function answer(request: Received, truth: Truth, takes: (fileName: string) => boolean): Response {
  const body = JSON.parse(new TextDecoder().decode(request.body));
  const put = ({ traceData, fileName, outputDirectory = "./traces" }: Sent, index: number): unknown => {
    if (!takes(fileName)) return { index, fileName, success: false, error: "No" };
    const text = contentOf(traceData);
    truth.set(`${outputDirectory}/${fileName}`, text);
    const size = new TextEncoder().encode(text).length;
    return {
      index,
      fileName,
      success: true,
      filePath: `${outputDirectory}/${fileName}`,
      size,
      bytesWritten: size,
    };
  };
  if (request.path === "/api/traces/write") {
    const result = put(body, 0) as { success: boolean };
    return Response.json(result, { status: result.success ? 200 : 500 });
  }
  const items: Sent[] = body.files ?? body.traces.map((item: Sent) => ({
    ...item,
    outputDirectory: body.outputDirectory,
  }));
  return Response.json({ success: true, results: items.map(put) });
}

/** What a file is to hold. */
export function contentOf(traceData: unknown): string {
  return typeof traceData === "string" ? traceData : JSON.stringify(traceData, undefined, 2);
}

/** What a writer says must be so: written is there to the letter, failed is not there at all. */
export function assertTrue(files: readonly TraceFile[], results: readonly TraceResult[], truth: Truth): void {
  assertEquals(
    results.map(({ index, fileName }) => [index, fileName]),
    files.map(({ fileName }, i) => [i, fileName]),
  );
  for (const [i, { state, fileName, error }] of results.entries()) {
    const { traceData, outputDirectory = "./traces" } = files[i];
    const held = truth.get(`${outputDirectory}/${fileName}`);
    if (state === "written") assertEquals(held, contentOf(traceData), fileName);
    else assert(error !== undefined && error.message !== "", fileName);
    if (state === "failed") assertEquals(held, undefined, `${fileName}: ${error?.code}`);
  }
}
